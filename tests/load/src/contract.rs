//! The filter's promises about its answers: each reason, with which status it
//! comes, and whether a message can be behind it.

use serde::Deserialize;

/// One reason of a failed request.
#[derive(Debug)]
pub struct Reason {
    /// The text in `reason`.
    pub name: &'static str,
    /// The statuses it may come with.
    pub statuses: &'static [u16],
    /// Whether `Retry-After` comes with it.
    pub retry_after: bool,
    /// Whether the message may have been stored nonetheless.
    pub may_be_stored: bool,
}

/// The body of a failed request, RFC 9457.
#[derive(Debug, Deserialize)]
pub struct Problem {
    /// Repeats the answer's status.
    pub status: u16,
    /// One of the contract's reasons.
    pub reason: String,
    /// The request's key.
    #[serde(rename = "trackingId")]
    pub tracking_id: String,
}

/// The reason of that name.
pub fn reason(name: &str) -> Option<&'static Reason> {
    REASONS.iter().find(|reason| reason.name == name)
}

const fn refused(name: &'static str, statuses: &'static [u16], retry_after: bool) -> Reason {
    Reason { name, statuses, retry_after, may_be_stored: false }
}

const fn doubtful(name: &'static str) -> Reason {
    Reason { name, statuses: &[503], retry_after: true, may_be_stored: true }
}

const REASONS: &[Reason] = &[
    doubtful("broker_error"),
    refused("broker_forbidden", &[503], false),
    refused("broker_unauthorized", &[503], false),
    refused("broker_unreachable", &[503], true),
    refused("circuit_open", &[503], true),
    refused("credentials_unavailable", &[503], true),
    refused("entity_not_found", &[503], false),
    refused("invalid_message", &[400], false),
    refused("message_rejected", &[503], false),
    refused("misconfigured", &[503], false),
    doubtful("outcome_unknown"),
    refused("overloaded", &[503], true),
    refused("payload_too_large", &[413], false),
    refused("quota_exceeded", &[503], true),
    refused("throttled", &[503], true),
];
