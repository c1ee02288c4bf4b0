//! What a route says of its answers.

use crate::outcome::Reason;
use crate::template::{Template, Tree};

/// The answer to a success, and changed answers to failures.
#[derive(Debug, Default)]
pub struct ReplyConfig {
    /// 200 to 299; absent, 202 for a message and 200 for a lookup.
    pub status: Option<u16>,
    /// Names in lower case.
    pub headers: Vec<(String, Template)>,
    /// JSON, or `None` for the default body.
    pub body: Option<Tree>,
    /// Each reason at most once.
    pub failures: Vec<(Reason, FailureReply)>,
}

impl ReplyConfig {
    /// Whether it says anything of the answer to a success.
    pub(crate) fn answers_success(&self) -> bool {
        self.status.is_some() || !self.headers.is_empty() || self.body.is_some()
    }
}

/// What a route changes in the answer to a failure.
#[derive(Debug)]
pub struct FailureReply {
    /// 400 to 599.
    pub status: Option<u16>,
    /// Names in lower case; each takes the place of ours.
    pub headers: Vec<(String, Template)>,
    /// JSON in place of the problem.
    pub body: Option<Tree>,
}
