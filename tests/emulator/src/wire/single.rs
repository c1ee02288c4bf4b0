//! A send of one message: properties in headers, the payload as the body.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::batch::BATCH_TYPE;
use super::{Tier, broker_properties, json, limits, property};
use crate::broker::{Form, Message};
use crate::http::Headers;
use crate::refusal::Refusal;

/// Request headers that are no properties. Every other one is, `user-agent` and `x-ms-*` aside.
const NO_PROPERTIES: [&str; 11] = [
    "accept",
    "accept-encoding",
    "authorization",
    "brokerproperties",
    "connection",
    "content-length",
    "content-type",
    "date",
    "expect",
    "host",
    "user-agent",
];

/// Headers with a meaning of their own in a request or an answer: a receiver could not tell a
/// property of such a name from them.
const KEPT: [&str; 17] = [
    "accept-charset",
    "accept-language",
    "cache-control",
    "cookie",
    "etag",
    "keep-alive",
    "location",
    "proxy-authorization",
    "proxy-connection",
    "retry-after",
    "server",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// Whether a property of that name, in lower case, can be neither sent nor received as a header. In
/// a batch any name is a property.
pub(super) fn is_kept(name: &str) -> bool {
    NO_PROPERTIES.contains(&name)
        || KEPT.contains(&name)
        || name.starts_with("content-")
        || name.starts_with("x-ms-")
}

/// What proxies add. As a bare number or `true` some of it would be a valid property, so that
/// every message would get it without anyone noticing.
fn is_stray(name: &str) -> bool {
    name.starts_with("x-envoy-") || name.starts_with("x-forwarded-") || name == "x-request-id"
}

/// The properties among the headers of a send, with names as received.
pub(super) fn property_headers(headers: &Headers) -> Result<Vec<(&str, &str)>, Refusal> {
    let mut properties: Vec<(&str, &str)> = Vec::new();
    for (name, value) in headers.iter() {
        let Some(value) = std::str::from_utf8(value).ok().filter(|value| value.is_ascii()) else {
            return Err(Refusal::bad_request(format!(
                "The value of the HTTP header '{name}' holds bytes that are not ASCII."
            )));
        };
        let lower = name.to_ascii_lowercase();
        if is_stray(&lower) {
            return Err(Refusal::bad_request(format!(
                "The HTTP header '{name}' would become a property of the message; remove it \
                 before the send."
            )));
        }
        if NO_PROPERTIES.contains(&&*lower) || lower.starts_with("x-ms-") {
            continue;
        }
        if is_kept(&lower) {
            return Err(Refusal::bad_request(format!(
                "The HTTP header '{name}' cannot be a property: it has a meaning of its own."
            )));
        }
        if properties.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            return Err(Refusal::bad_request(format!("The HTTP header '{name}' is given twice.")));
        }
        properties.push((name, value));
    }
    Ok(properties)
}

/// Reads a send of one message.
pub(super) fn parse(headers: &Arc<Headers>, body: &Bytes, tier: Tier) -> Result<Message, Refusal> {
    let properties = property_headers(headers)?
        .into_iter()
        .map(|(name, value)| match property::parse(value) {
            Ok(value) => Ok((name.into(), value)),
            Err(reason) => Err(Refusal::bad_request(format!(
                "The value '{value}' of the HTTP header '{name}' is invalid: {reason}."
            ))),
        })
        .collect::<Result<Box<[_]>, _>>()?;

    let content_type = headers.only("content-type")?.filter(|value| !value.is_empty());
    if let Some(near) = content_type
        && near.split(';').next().unwrap_or(near).trim().eq_ignore_ascii_case(BATCH_TYPE)
    {
        return Err(Refusal::bad_request(format!(
            "The value '{near}' of the HTTP header 'Content-Type' is invalid: a batch is named by \
             exactly '{BATCH_TYPE}'."
        )));
    }

    let members = match headers.only("brokerproperties")? {
        None => serde_json::Map::new(),
        Some(text) => match json::parse(text.as_bytes()) {
            Ok(Value::Object(members)) => members,
            Ok(_) => return Err(invalid_broker_properties(text, "expected a JSON object")),
            Err(error) => return Err(invalid_broker_properties(text, &error.to_string())),
        },
    };
    let broker = broker_properties::parse(&members, Form::Single, "BrokerProperties")?.broker;

    let size = body.len() + limits::check_properties(&broker, &properties)?;
    tier.check_message(size)?;
    Ok(Message {
        // The body may be a slice of a larger buffer, which must not live on with it.
        body: Bytes::copy_from_slice(body),
        content_type: content_type.map(Into::into),
        broker,
        properties,
        form: Form::Single,
        request: Arc::downgrade(headers),
        bare: None,
    })
}

fn invalid_broker_properties(text: &str, reason: &str) -> Refusal {
    Refusal::bad_request(format!(
        "The value '{text}' of the HTTP header 'BrokerProperties' is invalid: {reason}."
    ))
}
