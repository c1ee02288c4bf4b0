//! From a request to its message.

use std::time::Duration;

use super::property::DIAGNOSTIC_ID;
use super::{BrokerProperties, ContentTypeFault, Message, Property, PropertyFault, Unsendable};
use crate::config::{Payload, Schedule, Send};
use crate::headers::Headers;

/// Builds the message that a route sends for a request.
///
/// # Errors
/// When what the message takes from the request cannot be taken.
pub fn compose(
    send: &Send,
    request: &Headers,
    tracking_id: &str,
    body: Vec<u8>,
    now: Duration,
) -> Result<Message, Unsendable> {
    let config = &send.broker_properties;
    let message_id = config.message_id.as_deref().unwrap_or(tracking_id);
    let broker = BrokerProperties {
        message_id: message_id.to_owned(),
        texts: config.texts.clone(),
        time_to_live: config.time_to_live,
        scheduled_enqueue_time: config.scheduled_enqueue_time.map(|schedule| match schedule {
            Schedule::At(time) => time,
            Schedule::After(delay) => now.saturating_add(delay),
        }),
    };
    let mut properties = send.properties.clone();
    forward_headers(&send.forward_headers, request, &mut properties)?;
    trace_context(request, &mut properties);
    Ok(Message {
        content_type: content_type(send, request)?,
        body: match &send.payload {
            Payload::Body => body,
            Payload::Json(fixed) | Payload::Text(fixed) => fixed.clone(),
        },
        broker,
        properties,
    })
}

/// The route's content type, else the request's, else JSON where the route makes JSON.
fn content_type(send: &Send, request: &Headers) -> Result<Option<String>, Unsendable> {
    if send.content_type.is_some() {
        return Ok(send.content_type.clone());
    }
    let mut lines = request.all("content-type").filter(|line| !line.is_empty());
    let Some(line) = lines.next() else {
        let json = matches!(send.payload, Payload::Json(_));
        return Ok(json.then(|| "application/json".to_owned()));
    };
    let text = std::str::from_utf8(line).ok().filter(|_| lines.next().is_none());
    text.map(|text| Some(text.to_owned()))
        .ok_or(Unsendable::ContentType(ContentTypeFault::Malformed))
}

fn forward_headers(
    names: &[String],
    request: &Headers,
    properties: &mut Vec<Property>,
) -> Result<(), Unsendable> {
    for name in names {
        let Some(value) = request.joined(name) else { continue };
        let text = std::str::from_utf8(&value)
            .map_err(|_| Unsendable::Property(name.clone(), PropertyFault::NotUtf8))?;
        properties.push(Property::text(name.as_str(), text));
    }
    Ok(())
}

/// W3C trace context, unless the route has a property of that name. A malformed one is left out:
/// it is no reason to lose a message.
fn trace_context(request: &Headers, properties: &mut Vec<Property>) {
    let names = [("traceparent", "traceparent"), ("traceparent", DIAGNOSTIC_ID)];
    for (header, name) in names.into_iter().chain([("tracestate", "tracestate")]) {
        if properties.iter().any(|property| property.name.eq_ignore_ascii_case(name)) {
            continue;
        }
        let visible = |text: &&str| {
            !text.is_empty()
                && text.len() <= 512
                && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
        };
        if let Some(text) = request.first_text(header).filter(visible) {
            properties.push(Property::text(name, text));
        }
    }
}
