//! What the client is told.

mod body;
mod config;

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use crate::http::{Header, Headers, header};
use crate::message::{Unsendable, ValueFault};
use crate::outcome::{Failure, Reason};
use crate::template::{Absent, Attributes, Scope, Template};
use crate::text::is_visible_ascii;
pub use body::is_json;
pub use config::{FailureReply, ReplyConfig};

/// An answer to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case, values in visible ASCII.
    pub headers: Vec<Header>,
    /// JSON, or a text of the route's own.
    pub body: Vec<u8>,
    /// For a client of gRPC, which reads this and no HTTP status.
    pub grpc_status: Option<u8>,
    /// Envoy's `%RESPONSE_CODE_DETAILS%`.
    pub details: Cow<'static, str>,
}

impl Reply {
    /// Bytes that it takes, about.
    pub fn size(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len());
        self.body.len() + headers.sum::<usize>()
    }
}

/// The answer to an accepted message: 202 with its id, unless the route says otherwise.
///
/// # Errors
/// When the route's templates cannot be made from the request.
pub fn accepted(config: &ReplyConfig, scope: &Scope<'_>) -> Result<Reply, Unsendable> {
    let own = own_body(config, scope)?;
    let body = || serde_json::to_vec(&Accepted(scope.tracking_id)).unwrap_or_default();
    success(config, scope, (202, "service_bus_accepted"), own, body)
}

/// The answer to a lookup that has found something: 200 with what was found, unless the route says
/// otherwise.
///
/// # Errors
/// When the route's templates cannot be made from the request and what was found.
pub fn found(config: &ReplyConfig, scope: &Scope<'_>, body: &Value) -> Result<Reply, Unsendable> {
    let own = own_body(config, scope)?;
    success(config, scope, (200, "service_bus_found"), own, || body.to_string().into_bytes())
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
    (status, details): (u16, &'static str),
    own: Option<Value>,
    usual: impl FnOnce() -> Vec<u8>,
) -> Result<Reply, Unsendable> {
    let mut headers = Vec::with_capacity(config.headers.len() + 2);
    for (name, template) in &config.headers {
        if let Some(value) = header_value(name, template, scope)? {
            headers.push(header(name.clone(), value));
        }
    }
    let body = match own {
        Some(value) => body::written(&value, &headers),
        None => usual(),
    };
    body::name_type(&body, &mut headers);
    headers.push(tracking(scope.tracking_id));
    Ok(Reply {
        status: config.status.unwrap_or(status),
        headers,
        body,
        grpc_status: None,
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
    let body = json!({
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
    let own =
        change.and_then(|change| change.body.as_ref()?.value(scope, Absent::LeaveOut, "").ok());
    let own = own.flatten();
    if own.is_some() {
        headers.retain(|(name, _)| name != "content-type");
    }
    if let Some(change) = change {
        for (name, template) in &change.headers {
            if let Ok(Some(value)) = header_value(name, template, scope) {
                set(&mut headers, header(name.clone(), value));
            }
        }
    }
    let body = match own {
        Some(own) => body::written(&own, &headers),
        None => body.to_string().into_bytes(),
    };
    body::name_type(&body, &mut headers);
    headers.push(tracking(scope.tracking_id));
    Reply {
        status,
        headers,
        body,
        grpc_status: None,
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
