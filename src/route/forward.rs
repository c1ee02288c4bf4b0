//! Requests that go on to the backend once their message is stored.

use crate::template::Template;

/// What the backend gets.
#[derive(Debug)]
pub struct Forward {
    /// What becomes of a request whose message could not be sent.
    pub on_failure: OnFailure,
    /// Whether the request is changed when its headers are here, before it is complete: Envoy lets
    /// no filter change it that has told Envoy to continue.
    pub early: bool,
    /// Names in lower case, with what is set; a client's own headers of these names are removed.
    pub headers: Vec<(String, Template)>,
}

/// What becomes of a request whose message could not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// It is answered as without `forward`.
    Reply,
    /// It goes on unsent, with the reason in `x-service-bus-outcome`.
    Forward,
}

/// The header that names the request's id.
pub const TRACKING_ID: &str = "x-tracking-id";

/// The header that says why a request goes on unsent.
pub const OUTCOME: &str = "x-service-bus-outcome";

impl Forward {
    /// Headers that a client may not set on a request to the backend.
    pub fn removed(&self) -> impl Iterator<Item = &str> {
        let own = self.headers.iter().map(|(name, _)| name.as_str());
        [TRACKING_ID, OUTCOME].into_iter().chain(own)
    }
}
