//! From a request to its message.

use std::fmt::Display;
use std::rc::Rc;

use serde_json::Value as Json;

use super::property::DIAGNOSTIC_ID;
use super::{
    BrokerProperties, ContentTypeFault, Message, Property, PropertyFault, Unsendable, Value,
    ValueFault,
};
use crate::http::Headers;
use crate::message::{
    BrokerConfig, Entity, EntityConfig, ForwardedHeader, Lifetime, Payload, PropertyConfig,
    Schedule, ScheduleConfig, Send,
};
use crate::template::{Absent, Scope, Template};

/// The headers of a request that each message takes something from.
pub const READ_HEADERS: [&str; 3] = ["content-type", "traceparent", "tracestate"];

/// Builds the message that a route sends for a request, and says where it goes. A message whose
/// body is the request's is left without one, for the caller to move it in.
///
/// # Errors
/// When what the message takes from the request cannot be taken.
pub fn compose(send: &Send, scope: &Scope<'_>) -> Result<(Rc<Entity>, Message), Unsendable> {
    let entity = entity(&send.entity, scope)?;
    let body = body(&send.payload, scope)?;
    let mut properties = properties(&send.properties, scope)?;
    forward_headers(&send.forward_headers, scope.headers, &mut properties)?;
    trace_context(scope.headers, &mut properties);
    let json = body.as_ref().is_some_and(|body| body.is_json);
    let message = Message {
        content_type: content_type(send, scope, json)?,
        body: body.map(|body| body.bytes).unwrap_or_default(),
        broker: broker_properties(&send.broker_properties, scope)?,
        properties,
    };
    Ok((entity, message))
}

fn text(
    template: &Template,
    scope: &Scope<'_>,
    place: impl Display,
) -> Result<Option<String>, Unsendable> {
    let text = template.text(scope).map_err(|error| fault(place, ValueFault::Eval(error)))?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// A text that identifies or orders a message: nothing takes its place when the request lacks what
/// it is made of. `None` is a null, by which a route leaves it out.
fn identity(
    template: &Template,
    scope: &Scope<'_>,
    place: impl Display,
) -> Result<Option<String>, Unsendable> {
    let text = match template.value(scope) {
        Ok(Some(Json::Null)) => return Ok(None),
        Ok(Some(Json::String(text))) => text,
        Ok(Some(other)) => other.to_string(),
        Ok(None) => String::new(),
        Err(error) => return Err(fault(place, ValueFault::Eval(error))),
    };
    if text.is_empty() { Err(fault(place, ValueFault::Missing)) } else { Ok(Some(text)) }
}

fn fault(place: impl Display, fault: ValueFault) -> Unsendable {
    Unsendable::Value(place.to_string(), fault)
}

fn entity(config: &EntityConfig, scope: &Scope<'_>) -> Result<Rc<Entity>, Unsendable> {
    match config {
        EntityConfig::Fixed(entity) => Ok(Rc::clone(entity)),
        EntityConfig::Chosen(template, allowed) => {
            const PLACE: &str = "the queue or topic";
            let path = text(template, scope, PLACE)?;
            let path = path.ok_or_else(|| fault(PLACE, ValueFault::Missing))?;
            let found = allowed.iter().find(|entity| entity.path == path);
            found.cloned().ok_or_else(|| fault(PLACE, ValueFault::Unfit("one that is allowed")))
        }
    }
}

struct Body {
    bytes: Vec<u8>,
    is_json: bool,
}

/// The body that the route makes; `None` when it is the request's.
fn body(payload: &Payload, scope: &Scope<'_>) -> Result<Option<Body>, Unsendable> {
    const PLACE: &str = "payload";
    let json = |value: &Json| Body { bytes: value.to_string().into_bytes(), is_json: true };
    match payload {
        Payload::Body => Ok(None),
        Payload::Json(tree) => {
            Ok(tree.value(scope, Absent::Refuse, PLACE)?.map(|value| json(&value)))
        }
        Payload::Text(template) => match template.value(scope) {
            Ok(Some(Json::String(text))) => {
                Ok(Some(Body { bytes: text.into_bytes(), is_json: false }))
            }
            Ok(Some(value)) => Ok(Some(json(&value))),
            Ok(None) => Err(fault(PLACE, ValueFault::Missing)),
            Err(error) => Err(fault(PLACE, ValueFault::Eval(error))),
        },
    }
}

/// The route's content type, else the request's, else JSON where the route makes JSON.
fn content_type(
    send: &Send,
    scope: &Scope<'_>,
    makes_json: bool,
) -> Result<Option<String>, Unsendable> {
    if let Some(template) = &send.content_type
        && let Some(text) = text(template, scope, "content_type")?
    {
        return Ok(Some(text));
    }
    let mut lines = scope.headers.all("content-type").filter(|line| !line.is_empty());
    let Some(line) = lines.next() else {
        return Ok(makes_json.then(|| "application/json".to_owned()));
    };
    let text = std::str::from_utf8(line).ok().filter(|_| lines.next().is_none());
    text.map(|text| Some(text.to_owned()))
        .ok_or(Unsendable::ContentType(ContentTypeFault::Malformed))
}

fn broker_properties(
    config: &BrokerConfig,
    scope: &Scope<'_>,
) -> Result<BrokerProperties, Unsendable> {
    // An id that fell back to the client's own would let it choose another client's.
    let message_id = match &config.message_id {
        Some(template) => {
            const PLACE: &str = "broker_properties.MessageId";
            identity(template, scope, PLACE)?.ok_or_else(|| fault(PLACE, ValueFault::Missing))?
        }
        None => scope.tracking_id.to_owned(),
    };
    let mut broker = BrokerProperties::new(message_id);
    for (property, template) in &config.texts {
        let place = format_args!("broker_properties.{}", property.name());
        let text = if property.identifies() {
            identity(template, scope, place)?
        } else {
            text(template, scope, place)?
        };
        if let Some(text) = text {
            broker.texts.push((*property, text));
        }
    }
    broker.time_to_live = match &config.time_to_live {
        Some(Lifetime::Fixed(lifetime)) => Some(*lifetime),
        Some(Lifetime::Computed(template)) => lifetime(template, scope)?,
        None => None,
    };
    let now = scope.now.unwrap_or_default();
    broker.scheduled_enqueue_time = match &config.scheduled_enqueue_time {
        Some(ScheduleConfig::Fixed(schedule)) => Some(schedule.time(now)),
        Some(ScheduleConfig::Computed(template)) => {
            schedule(template, scope)?.map(|schedule| schedule.time(now))
        }
        None => None,
    };
    Ok(broker)
}

fn lifetime(
    template: &Template,
    scope: &Scope<'_>,
) -> Result<Option<std::time::Duration>, Unsendable> {
    const PLACE: &str = "broker_properties.TimeToLive";
    let value = template.value(scope).map_err(|error| fault(PLACE, ValueFault::Eval(error)))?;
    let lifetime = match value {
        None | Some(Json::Null) => return Ok(None),
        Some(Json::String(text)) if text.is_empty() => return Ok(None),
        Some(Json::String(text)) => Lifetime::parse(&text),
        Some(Json::Number(number)) => number.as_f64().and_then(Lifetime::from_seconds),
        Some(_) => None,
    };
    let unfit = ValueFault::Unfit("a duration such as \"30s\", or a number of seconds");
    lifetime.map(Some).ok_or_else(|| fault(PLACE, unfit))
}

fn schedule(template: &Template, scope: &Scope<'_>) -> Result<Option<Schedule>, Unsendable> {
    const PLACE: &str = "broker_properties.ScheduledEnqueueTimeUtc";
    let Some(text) = text(template, scope, PLACE)? else { return Ok(None) };
    let unfit = ValueFault::Unfit("a delay such as \"+10m\", or a time in RFC 3339 or RFC 1123");
    Schedule::parse(&text).map(Some).ok_or_else(|| fault(PLACE, unfit))
}

fn properties(
    config: &[(String, PropertyConfig)],
    scope: &Scope<'_>,
) -> Result<Vec<Property>, Unsendable> {
    let mut properties = Vec::with_capacity(config.len());
    for (name, property) in config {
        let value = match property {
            PropertyConfig::Fixed(value) => value.clone(),
            PropertyConfig::Computed(template) => {
                let eval =
                    |error| fault(format_args!("properties.{name}"), ValueFault::Eval(error));
                match template.value(scope).map_err(eval)? {
                    None | Some(Json::Null) => continue,
                    Some(Json::Bool(value)) => Value::Bool(value),
                    Some(Json::String(text)) => Value::Text(text),
                    Some(Json::Number(value)) if value.as_f64().is_some_and(f64::is_finite) => {
                        Value::Number(value)
                    }
                    Some(other) => Value::Text(other.to_string()),
                }
            }
        };
        properties.push(Property { name: name.clone(), value });
    }
    Ok(properties)
}

fn forward_headers(
    forwarded: &[ForwardedHeader],
    request: &Headers,
    properties: &mut Vec<Property>,
) -> Result<(), Unsendable> {
    for ForwardedHeader { header, property } in forwarded {
        let Some(value) = request.joined(header) else { continue };
        let text = std::str::from_utf8(&value)
            .map_err(|_| Unsendable::Property(property.clone(), PropertyFault::NotUtf8))?;
        properties.push(Property::text(property.as_str(), text));
    }
    Ok(())
}

/// W3C trace context, unless the route has a property of that name. A malformed one is left out:
/// it is no reason to lose a message.
fn trace_context(request: &Headers, properties: &mut Vec<Property>) {
    let names = [("traceparent", "traceparent"), ("traceparent", DIAGNOSTIC_ID)];
    for (header, name) in names.into_iter().chain([("tracestate", "tracestate")]) {
        let Some(text) = request.first_text(header) else { continue };
        if properties.iter().any(|property| property.name.eq_ignore_ascii_case(name)) {
            continue;
        }
        let fits = (1..=512).contains(&text.len());
        if fits && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
            properties.push(Property::text(name, text));
        }
    }
}
