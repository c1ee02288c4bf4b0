//! What the client is told.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use crate::config::{FailureReply, ReplyConfig};
use crate::headers::{Header, Headers, header};
use crate::message::{Unsendable, ValueFault};
use crate::template::{Absent, Attributes, Found, Scope, Template};
use crate::text::is_visible_ascii;

/// An answer to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case, values in visible ASCII.
    pub headers: Vec<Header>,
    /// JSON.
    pub body: Vec<u8>,
    /// Envoy's `%RESPONSE_CODE_DETAILS%`.
    pub details: Cow<'static, str>,
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
    /// Too many sends have failed: nothing is sent for a while.
    CircuitOpen,
    /// No token to be had.
    CredentialsUnavailable,
    /// There is no such queue or topic.
    EntityNotFound,
    /// The request cannot be a message.
    InvalidMessage,
    /// The cluster that a lookup asks does not answer, or not as it should.
    LookupUnavailable,
    /// Service Bus refused the message.
    MessageRejected,
    /// Envoy does not know the cluster, or the module its configuration.
    Misconfigured,
    /// A lookup found nothing.
    NotFound,
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
    /// All of them, in the order of their words.
    pub const ALL: [Self; 16] = [
        Self::BrokerError,
        Self::BrokerUnauthorized,
        Self::BrokerUnreachable,
        Self::CircuitOpen,
        Self::CredentialsUnavailable,
        Self::EntityNotFound,
        Self::InvalidMessage,
        Self::LookupUnavailable,
        Self::MessageRejected,
        Self::Misconfigured,
        Self::NotFound,
        Self::OutcomeUnknown,
        Self::Overloaded,
        Self::PayloadTooLarge,
        Self::QuotaExceeded,
        Self::Throttled,
    ];

    /// The word in `reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BrokerError => "broker_error",
            Self::BrokerUnauthorized => "broker_unauthorized",
            Self::BrokerUnreachable => "broker_unreachable",
            Self::CircuitOpen => "circuit_open",
            Self::CredentialsUnavailable => "credentials_unavailable",
            Self::EntityNotFound => "entity_not_found",
            Self::InvalidMessage => "invalid_message",
            Self::LookupUnavailable => "lookup_unavailable",
            Self::MessageRejected => "message_rejected",
            Self::Misconfigured => "misconfigured",
            Self::NotFound => "not_found",
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
            Self::NotFound => 404,
            Self::PayloadTooLarge => 413,
            _ => 503,
        }
    }

    /// Seconds until a retry may help, `None` where it cannot.
    pub const fn retry_after(self) -> Option<u32> {
        match self {
            Self::CircuitOpen | Self::Overloaded => Some(1),
            Self::BrokerError
            | Self::BrokerUnreachable
            | Self::CredentialsUnavailable
            | Self::LookupUnavailable
            | Self::OutcomeUnknown => Some(5),
            Self::Throttled => Some(10),
            Self::QuotaExceeded => Some(30),
            Self::BrokerUnauthorized
            | Self::EntityNotFound
            | Self::InvalidMessage
            | Self::MessageRejected
            | Self::Misconfigured
            | Self::NotFound
            | Self::PayloadTooLarge => None,
        }
    }

    /// Whether the message may be stored all the same.
    pub const fn is_doubtful(self) -> bool {
        matches!(self, Self::BrokerError | Self::OutcomeUnknown)
    }

    /// One sentence for people.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::BrokerError => "The message broker failed; the message may not be enqueued.",
            Self::BrokerUnauthorized => "The message broker did not accept the gateway's token.",
            Self::BrokerUnreachable => "The message broker cannot be reached; nothing was sent.",
            Self::CircuitOpen => {
                "The message broker has failed too often; nothing was sent for now."
            }
            Self::CredentialsUnavailable => "The gateway has no token for the message broker.",
            Self::EntityNotFound => "The queue or topic does not exist.",
            Self::InvalidMessage => "The request cannot be sent as a message.",
            Self::LookupUnavailable => "What was asked for cannot be looked up now.",
            Self::MessageRejected => "The message broker refused the message.",
            Self::Misconfigured => "The gateway is not configured to reach the message broker.",
            Self::NotFound => "There is nothing of this name.",
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
pub struct Settlement {
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
    /// Service Bus's own wish, in seconds.
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

/// The answer to an accepted message: 202 with its id, unless the route says otherwise.
///
/// # Errors
/// When the route's templates cannot be made from the request.
pub fn accepted(config: &ReplyConfig, scope: &Scope<'_>) -> Result<Reply, Unsendable> {
    let body = match own_body(config, scope)? {
        None => serde_json::to_vec(&Accepted(scope.tracking_id)),
        Some(body) => serde_json::to_vec(&body),
    };
    success(config, scope, 202, (body, "service_bus_accepted"))
}

/// The answer to a lookup that has found something: 200 with what was found, unless the route says
/// otherwise.
///
/// # Errors
/// When the route's templates cannot be made from the request and what was found.
pub fn found(config: &ReplyConfig, scope: &Scope<'_>, body: &Value) -> Result<Reply, Unsendable> {
    let own = own_body(config, scope)?;
    let body = serde_json::to_vec(own.as_ref().unwrap_or(body));
    success(config, scope, 200, (body, "service_bus_found"))
}

/// The body that the route makes.
fn own_body(config: &ReplyConfig, scope: &Scope<'_>) -> Result<Option<Value>, Unsendable> {
    let Some(tree) = &config.body else { return Ok(None) };
    Ok(Some(tree.value(scope, Absent::LeaveOut, "reply.body")?.unwrap_or(Value::Null)))
}

/// The body of an accepted message's answer, with the request's id.
struct Accepted<'a>(&'a str);

impl Serialize for Accepted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut json = serializer.serialize_map(Some(2))?;
        json.serialize_entry("status", "accepted")?;
        json.serialize_entry("trackingId", self.0)?;
        json.end()
    }
}

fn success(
    config: &ReplyConfig,
    scope: &Scope<'_>,
    status: u16,
    (body, details): (serde_json::Result<Vec<u8>>, &'static str),
) -> Result<Reply, Unsendable> {
    let mut headers = Vec::with_capacity(config.headers.len() + 2);
    for (name, template) in &config.headers {
        if let Some(value) = header_value(name, template, scope)? {
            headers.push(header(name.clone(), value));
        }
    }
    if !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(header("content-type", "application/json"));
    }
    headers.push(tracking(scope.tracking_id));
    Ok(Reply {
        status: config.status.unwrap_or(status),
        headers,
        // JSON can say all that is made of JSON.
        body: body.unwrap_or_default(),
        details: details.into(),
    })
}

/// A header must be visible ASCII, or a client could add lines of its own.
fn header_value(
    name: &str,
    template: &Template,
    scope: &Scope<'_>,
) -> Result<Option<String>, Unsendable> {
    let fault = |fault| Unsendable::Value(format!("reply.headers.{name}"), fault);
    // A client that follows it should come to the id that it was given.
    let text = if name == "location" { template.reference(scope) } else { template.text(scope) };
    let Some(text) = text.map_err(|error| fault(ValueFault::Eval(error)))? else {
        return Ok(None);
    };
    if !is_visible_ascii(&text) {
        return Err(fault(ValueFault::Unfit("visible ASCII characters")));
    }
    Ok(Some(text))
}

/// The answer to a failure: a problem of RFC 9457, changed as the route says. What the route
/// cannot make from the request is left out: the failure is to be told all the same.
pub fn failed(failure: &Failure, scope: &Scope<'_>, change: Option<&FailureReply>) -> Reply {
    let reason = failure.reason;
    let status = change.and_then(|change| change.status).unwrap_or(reason.status());
    let mut body = json!({
        "type": "about:blank",
        "title": title(status),
        "status": status,
        "detail": failure.detail.as_deref().unwrap_or(reason.sentence()),
        "reason": reason.as_str(),
        "trackingId": scope.tracking_id,
    });
    let mut headers = vec![
        header("content-type", "application/problem+json"),
        header("cache-control", "no-store"),
    ];
    if let Some(seconds) = failure.retry_after.or(reason.retry_after()) {
        headers.push(header("retry-after", seconds.to_string()));
    }
    if let Some(change) = change {
        let own =
            change.body.as_ref().map(|tree| tree.value(scope, Absent::LeaveOut, "reply.body"));
        if let Some(Ok(Some(own))) = own {
            body = own;
            set(&mut headers, header("content-type", "application/json"));
        }
        for (name, template) in &change.headers {
            if let Ok(Some(value)) = header_value(name, template, scope) {
                set(&mut headers, header(name.clone(), value));
            }
        }
    }
    headers.push(tracking(scope.tracking_id));
    Reply {
        status,
        headers,
        body: body.to_string().into_bytes(),
        details: format!("service_bus_{}", reason.as_str()).into(),
    }
}

/// The answer of a plugin that has no configuration, or that cannot read the request.
pub fn misconfigured() -> Reply {
    let (headers, attributes) = (Headers::default(), Attributes::default());
    let mut scope = Scope::new(&headers, &attributes, || None);
    scope.tracking_id = "none";
    failed(&Failure::new(Reason::Misconfigured, ""), &scope, None)
}

fn set(headers: &mut Vec<Header>, new: Header) {
    headers.retain(|(other, _)| *other != new.0);
    headers.push(new);
}

fn tracking(tracking_id: &str) -> Header {
    header("x-tracking-id", tracking_id.to_owned())
}

/// The phrase of a status; RFC 9457 asks for it beside `about:blank`.
const fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ if status < 500 => "Client Error",
        _ => "Server Error",
    }
}
