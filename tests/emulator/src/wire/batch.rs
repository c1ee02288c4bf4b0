//! A send of several messages: a JSON array.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::single::property_headers;
use super::{Tier, broker_properties, json, limits};
use crate::broker::{Form, Message, Properties, PropertyValue};
use crate::http::Headers;
use crate::refusal::Refusal;

/// The content type that makes a send a batch.
pub const BATCH_TYPE: &str = "application/vnd.microsoft.servicebus.json";

/// Reads a batch: all of its messages, or the first error.
pub(super) fn parse(
    headers: &Arc<Headers>,
    body: &Bytes,
    tier: Tier,
) -> Result<Vec<Message>, Refusal> {
    // Azure ignores them here, which loses what the sender wanted to say.
    if let Some((name, _)) = property_headers(headers)?.first() {
        return Err(ignored(name));
    }
    if headers.only("brokerproperties")?.is_some() {
        return Err(ignored("BrokerProperties"));
    }
    tier.check_message(body.len())?;
    let elements = match json::parse(body) {
        Ok(Value::Array(elements)) => elements,
        Ok(_) => return Err(Refusal::bad_request("The batch is invalid: expected a JSON array.")),
        Err(error) => {
            return Err(Refusal::bad_request(format!("The batch is invalid: {error}.")));
        }
    };
    if elements.is_empty() {
        return Err(Refusal::bad_request("The batch is invalid: it holds no message."));
    }
    let message = |(index, element)| parse_element(headers, index, element);
    elements.into_iter().enumerate().map(message).collect()
}

fn ignored(name: &str) -> Refusal {
    Refusal::bad_request(format!(
        "The HTTP header '{name}' would be ignored with a batch; properties belong to its elements."
    ))
}

fn parse_element(headers: &Arc<Headers>, index: usize, element: Value) -> Result<Message, Refusal> {
    let place = format!("[{index}]");
    let Value::Object(members) = element else {
        return Err(expected(&place, "an object", &element));
    };
    let (mut body, mut broker, mut properties) = (None, Map::new(), Map::new());
    for (name, value) in members {
        match (name.as_str(), value) {
            ("Body", Value::String(text)) => body = Some(text),
            ("Body", other) => return Err(expected(&format!("{place}.Body"), "a string", &other)),
            ("BrokerProperties", Value::Object(members)) => broker = members,
            ("UserProperties", Value::Object(members)) => properties = members,
            ("BrokerProperties" | "UserProperties", other) => {
                return Err(expected(&format!("{place}.{name}"), "an object", &other));
            }
            _ => {
                return Err(Refusal::bad_request(format!(
                    "{place}.{name}: unknown member; expected Body, BrokerProperties or \
                     UserProperties."
                )));
            }
        }
    }
    let body = body.ok_or_else(|| Refusal::bad_request(format!("{place}.Body: it is missing.")))?;
    let parsed =
        broker_properties::parse(&broker, Form::Batch, &format!("{place}.BrokerProperties"))?;
    let properties = user_properties(&place, &properties)?;
    limits::check_properties(&parsed.broker, &properties)
        .map_err(|refusal| Refusal::new(refusal.status, format!("{place}: {}", refusal.detail)))?;
    Ok(Message {
        body: body.into(),
        content_type: parsed.content_type,
        broker: parsed.broker,
        properties,
        form: Form::Batch,
        request: Arc::downgrade(headers),
        bare: None,
    })
}

fn user_properties(place: &str, members: &Map<String, Value>) -> Result<Properties, Refusal> {
    let mut names = HashSet::new();
    let mut properties = Vec::with_capacity(members.len());
    for (name, value) in members {
        let place = format!("{place}.UserProperties.{name}");
        if name.is_empty() {
            return Err(Refusal::bad_request(format!("{place}: a name must not be empty.")));
        }
        if !names.insert(name.to_lowercase()) {
            return Err(Refusal::bad_request(format!(
                "{place}: another name differs only in case."
            )));
        }
        let value = PropertyValue::from_json(value).ok_or_else(|| {
            expected(&place, "a string, a number of at most 64 bits, true or false", value)
        })?;
        properties.push((name.as_str().into(), value));
    }
    Ok(properties.into())
}

fn expected(place: &str, what: &str, found: &Value) -> Refusal {
    Refusal::bad_request(format!("{place}: expected {what}, found {found}."))
}
