//! What became of a message or a lookup.

mod reason;

use crate::http::Found;
pub use reason::Reason;

/// What became of a message, or of a lookup.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Service Bus answered 201.
    Accepted,
    /// Anything else.
    Failed(Failure),
    /// A lookup was answered with 200.
    Found(Found),
}

impl Outcome {
    /// The word for logs and metrics: `accepted`, `found`, or the reason of the failure.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Found(_) => "found",
            Self::Failed(failure) => failure.reason.as_str(),
        }
    }
}

/// Which of a route's destinations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Served {
    /// The route's own.
    #[default]
    Primary,
    /// Its fallback.
    Fallback,
}

impl Served {
    /// The word in `x-service-bus-destination`, and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Fallback => "fallback",
        }
    }
}

/// What became of a message or a lookup, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct SendResult {
    /// What the client is told.
    pub outcome: Outcome,
    /// Callouts that have carried it.
    pub attempts: u32,
    /// Which destination it came to at last.
    pub served: Served,
}

/// Why a message was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For the client.
    pub reason: Reason,
    /// What Service Bus itself asks for, in seconds.
    pub retry_after: Option<u32>,
    /// For the client, where its request is at fault.
    pub detail: Option<String>,
    /// For the log alone: what the broker or Envoy said.
    pub cause: String,
    /// Service Bus's own id of the request, where it has named one.
    pub broker_tracking_id: Option<String>,
}

impl Failure {
    /// A failure whose cause is for the log.
    pub fn new(reason: Reason, cause: impl Into<String>) -> Self {
        Self {
            reason,
            retry_after: None,
            detail: None,
            cause: cause.into(),
            broker_tracking_id: None,
        }
    }

    /// A failure for which the request is to blame, and whose client is told why.
    pub fn of_request(reason: Reason, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { detail: Some(detail.clone()), ..Self::new(reason, detail) }
    }
}
