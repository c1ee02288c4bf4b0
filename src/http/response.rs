//! What comes of a callout.

use std::fmt;

use super::headers::Headers;

/// The end of a callout, as Envoy reported it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// Empty when the response broke off.
    pub headers: Headers,
    /// The start of the body; errors of Service Bus are short.
    pub body: Vec<u8>,
}

/// The body may be a token.
impl fmt::Debug for Response {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Answer")
            .field("status", &self.status())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Response {
    /// The status, `None` when the response broke off.
    pub fn status(&self) -> Option<u16> {
        self.headers.first_text(":status").and_then(|status| status.parse().ok())
    }
}

/// The answer of a lookup.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: Headers,
    /// Body.
    pub body: Vec<u8>,
}
