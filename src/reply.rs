//! What the client is told.

use serde_json::{Value, json};

use crate::config::ReplyConfig;

/// An answer to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case, values in visible ASCII.
    pub headers: Vec<(String, String)>,
    /// JSON.
    pub body: Vec<u8>,
    /// Envoy's `%RESPONSE_CODE_DETAILS%`.
    pub details: String,
}

/// Why a message was not accepted, as clients are told. The texts are part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Service Bus failed.
    BrokerError,
    /// Service Bus did not take our token.
    BrokerUnauthorized,
    /// No connection: nothing was sent.
    BrokerUnreachable,
    /// No token to be had.
    CredentialsUnavailable,
    /// There is no such queue or topic.
    EntityNotFound,
    /// The request cannot be a message.
    InvalidMessage,
    /// Service Bus refused the message.
    MessageRejected,
    /// Envoy does not know the cluster, or the module its configuration.
    Misconfigured,
    /// The message may be enqueued or not.
    OutcomeUnknown,
    /// Too many messages are on their way.
    Overloaded,
    /// The body or the message is too large.
    PayloadTooLarge,
    /// The queue or topic is full.
    QuotaExceeded,
    /// Service Bus asks to slow down.
    Throttled,
}

impl Reason {
    /// The word in `reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BrokerError => "broker_error",
            Self::BrokerUnauthorized => "broker_unauthorized",
            Self::BrokerUnreachable => "broker_unreachable",
            Self::CredentialsUnavailable => "credentials_unavailable",
            Self::EntityNotFound => "entity_not_found",
            Self::InvalidMessage => "invalid_message",
            Self::MessageRejected => "message_rejected",
            Self::Misconfigured => "misconfigured",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Overloaded => "overloaded",
            Self::PayloadTooLarge => "payload_too_large",
            Self::QuotaExceeded => "quota_exceeded",
            Self::Throttled => "throttled",
        }
    }

    /// Status of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidMessage => 400,
            Self::PayloadTooLarge => 413,
            _ => 503,
        }
    }

    /// Seconds until a retry may help, `None` where it cannot.
    pub const fn retry_after(self) -> Option<u32> {
        match self {
            Self::Overloaded => Some(1),
            Self::BrokerError
            | Self::BrokerUnreachable
            | Self::CredentialsUnavailable
            | Self::OutcomeUnknown => Some(5),
            Self::Throttled => Some(10),
            Self::QuotaExceeded => Some(30),
            Self::BrokerUnauthorized
            | Self::EntityNotFound
            | Self::InvalidMessage
            | Self::MessageRejected
            | Self::Misconfigured
            | Self::PayloadTooLarge => None,
        }
    }

    /// One sentence for people.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::BrokerError => "The message broker failed; the message may not be enqueued.",
            Self::BrokerUnauthorized => "The message broker did not accept the gateway's token.",
            Self::BrokerUnreachable => "The message broker cannot be reached; nothing was sent.",
            Self::CredentialsUnavailable => "The gateway has no token for the message broker.",
            Self::EntityNotFound => "The queue or topic does not exist.",
            Self::InvalidMessage => "The request cannot be sent as a message.",
            Self::MessageRejected => "The message broker refused the message.",
            Self::Misconfigured => "The gateway is not configured to reach the message broker.",
            Self::OutcomeUnknown => {
                "The message may be enqueued or not; retry with the same Idempotency-Key."
            }
            Self::Overloaded => "Too many messages are on their way; nothing was sent.",
            Self::PayloadTooLarge => "The message is too large.",
            Self::QuotaExceeded => "The queue or topic is full; the message was not enqueued.",
            Self::Throttled => {
                "The message broker asks to slow down; the message was not enqueued."
            }
        }
    }
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Service Bus answered 201.
    Accepted,
    /// Anything else.
    Failed(Failure),
}

/// Why a message was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For the client.
    pub reason: Reason,
    /// Service Bus's own wish, in seconds.
    pub retry_after: Option<u32>,
    /// For the client, where its request is at fault.
    pub detail: Option<String>,
    /// For the log alone: what the broker or Envoy said.
    pub cause: String,
}

impl Failure {
    /// A failure whose cause is for the log.
    pub fn new(reason: Reason, cause: impl Into<String>) -> Self {
        Self { reason, retry_after: None, detail: None, cause: cause.into() }
    }

    /// A failure for which the request is to blame, and whose client is told why.
    pub fn of_request(reason: Reason, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { reason, retry_after: None, cause: detail.clone(), detail: Some(detail) }
    }
}

/// The answer to an accepted message.
pub fn accepted(config: &ReplyConfig, tracking_id: &str) -> Reply {
    let body = config.body.as_ref().map_or_else(
        || json!({"status": "accepted", "trackingId": tracking_id}).to_string(),
        Value::to_string,
    );
    let mut headers = config.headers.clone();
    if !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    headers.push(tracking(tracking_id));
    Reply {
        status: config.status,
        headers,
        body: body.into_bytes(),
        details: "service_bus_accepted".to_owned(),
    }
}

/// The answer to a message that was not accepted: a problem of RFC 9457.
pub fn failed(failure: &Failure, tracking_id: &str) -> Reply {
    let reason = failure.reason;
    let problem = json!({
        "type": "about:blank",
        "title": title(reason.status()),
        "status": reason.status(),
        "detail": failure.detail.as_deref().unwrap_or(reason.sentence()),
        "reason": reason.as_str(),
        "trackingId": tracking_id,
    });
    let mut headers = vec![
        ("content-type".to_owned(), "application/problem+json".to_owned()),
        ("cache-control".to_owned(), "no-store".to_owned()),
    ];
    if let Some(seconds) = failure.retry_after.or(reason.retry_after()) {
        headers.push(("retry-after".to_owned(), seconds.to_string()));
    }
    headers.push(tracking(tracking_id));
    Reply {
        status: reason.status(),
        headers,
        body: problem.to_string().into_bytes(),
        details: format!("service_bus_{}", reason.as_str()),
    }
}

fn tracking(tracking_id: &str) -> (String, String) {
    ("x-tracking-id".to_owned(), tracking_id.to_owned())
}

const fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        413 => "Content Too Large",
        _ => "Service Unavailable",
    }
}
