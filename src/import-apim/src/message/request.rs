//! The message of a request to Service Bus: one that the policy makes, or the client's own.

use serde_json::Value as Json;

use super::policy::until_written;
use super::{Message, SetHeader, managed_identity};
use crate::body::SetBody;
use crate::position::Position;
use crate::report::Report;
use crate::value::Value;

/// A request to an entity of a namespace.
#[derive(Debug)]
pub(crate) struct OfRequest<'a, 'b> {
    pub(crate) at: Position,
    /// The element that the request comes from.
    pub(crate) what: &'static str,
    /// The host, where the policy names one.
    pub(crate) namespace: Option<String>,
    pub(crate) entity: Value,
    pub(crate) entity_at: Position,
    pub(crate) headers: &'b [SetHeader<'a>],
    pub(crate) body: Option<&'b SetBody<'a>>,
    /// Whether headers and body of the client's request go along.
    pub(crate) copies: bool,
    /// Credentials that an element of their own names.
    pub(crate) credentials: Option<Json>,
    pub(crate) timeout: Option<u64>,
    pub(crate) ignores_errors: Option<Position>,
}

/// Turns a request into a message.
pub(crate) fn of_request(request: OfRequest<'_, '_>, report: &mut Report) -> Message {
    let mut message = Message {
        at: request.at,
        kind: "queue",
        entity: request.entity,
        entity_at: request.entity_at,
        namespace: request.namespace,
        credentials: Json::Null,
        timeout: request.timeout,
        payload: None,
        content_type: None,
        broker_properties: vec![],
        properties: vec![],
        ignores_errors: request.ignores_errors,
    };
    match request.body {
        Some(body) => {
            body.element.dismiss_itself();
            let before = report.left_out.len();
            let value = body.take(report);
            if value.is_none() {
                until_written(report, before);
            }
            let own =
                |value: &Value| matches!(value, Value::Cel(cel) if cel.code == "request.body");
            message.payload = value.filter(|value| !own(value));
        }
        None if request.copies => {}
        None => message.payload = Some(Value::Text(String::new())),
    }
    let by_header = message.take_headers(request.headers, request.copies, report);
    message.credentials = by_header.or(request.credentials).unwrap_or_else(|| {
        let why = "shows no credentials that are understood: a managed identity is taken";
        report.leave_out(request.at, request.what, why);
        managed_identity(None)
    });
    if request.copies {
        let why = "Service Bus takes other headers of the client as properties: name in \
                   send.forward_headers those that receivers need";
        report.leave_out(request.at, request.what, why);
    }
    message
}
