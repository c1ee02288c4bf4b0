//! The message of `send-service-bus-message`.

use serde_json::Value as Json;

use super::{Message, UNKNOWN, managed_identity};
use crate::position::Position;
use crate::report::{Evaluated, Report};
use crate::term::{Object, Scope, SentMessage, Term};
use crate::value::Value;
use crate::xml::{Content, Element};

/// Reads `send-service-bus-message`, and gives its variable a value.
pub(crate) fn of_policy(element: &Element, scope: &mut Scope, report: &mut Report) -> Message {
    element.dismiss_itself();
    let (kind, entity, entity_at) = entity(element, scope, report);
    let namespace = fixed(element, "namespace", scope, report);
    let client_id = fixed(element, "client-id", scope, report);
    let mut message = Message {
        at: element.at,
        kind,
        entity,
        entity_at,
        namespace,
        credentials: managed_identity(client_id.as_deref()),
        timeout: None,
        payload: None,
        content_type: None,
        broker_properties: vec![],
        properties: vec![],
        ignores_errors: None,
    };
    for (attribute, name) in [("message-id", "MessageId"), ("session-id", "SessionId")] {
        if let Some(content) = element.attribute(attribute)
            && let Some(value) = report.take_any(attribute, &Evaluated::new(content, scope))
        {
            message.broker_properties.push((name.to_owned(), value));
        }
    }
    if let Some(content) = element.attribute("time-to-live")
        && let Some(value) = time_to_live(content, scope, report)
    {
        message.broker_properties.push(("TimeToLive".to_owned(), value));
    }
    message.ignores_errors = ignores_errors(element, report);
    for child in &element.children {
        match child.name.as_str() {
            "message-properties" => properties(child, &mut message, scope, report),
            "payload" => {
                child.dismiss_itself();
                let value = child.content().map(|it| payload("payload", it, scope, report));
                message.payload = value.unwrap_or_else(|| Some(Value::Text(String::new())));
            }
            // Listed by the end.
            _ => {}
        }
    }
    if let Some(name) = element.text_of("response-variable-name") {
        let of = |name: &str| {
            let found = message.broker_properties.iter().find(|(other, _)| other == name);
            found.map_or(Value::Json(Json::Null), |(_, value)| value.clone())
        };
        let sent = SentMessage {
            id: message.id(),
            session: of("SessionId"),
            time_to_live: of("TimeToLive"),
        };
        scope.variables.insert(name.to_owned(), Ok(Term::Object(Object::Sent(Box::new(sent)))));
    }
    message
}

fn entity(
    element: &Element,
    scope: &mut Scope,
    report: &mut Report,
) -> (&'static str, Value, Position) {
    let unknown = || Value::Text(UNKNOWN.to_owned());
    for (kind, attribute) in [("queue", "queue-name"), ("topic", "topic-name")] {
        if let Some(content) = element.attribute(attribute) {
            let value = report.value(attribute, content, scope);
            return (kind, value.unwrap_or_else(unknown), content.at);
        }
    }
    report.leave_out(element.at, &element.name, "needs a queue-name or topic-name");
    ("queue", unknown(), element.at)
}

/// A text that is the same for all requests.
fn fixed(element: &Element, name: &str, scope: &mut Scope, report: &mut Report) -> Option<String> {
    let content = element.attribute(name)?;
    match report.value(name, content, scope)? {
        Value::Text(text) => Some(text),
        _ => {
            report.leave_out(content.at, name, "must not depend on the request");
            None
        }
    }
}

/// Whether the policy goes on after a failure, and where it says so.
pub(crate) fn ignores_errors(element: &Element, report: &mut Report) -> Option<Position> {
    let content = element.attribute("ignore-error")?;
    match content.text().map(str::trim) {
        Some("true") => Some(content.at),
        Some("false") => None,
        _ => {
            let why = "expected true or false, the same for all requests: false is taken";
            report.leave_out(content.at, "ignore-error", why);
            None
        }
    }
}

fn properties(element: &Element, message: &mut Message, scope: &mut Scope, report: &mut Report) {
    element.dismiss_itself();
    for property in &element.children {
        if property.name != "message-property" {
            continue;
        }
        property.dismiss_itself();
        let Some(name) = property.text_of("name").map(str::to_owned) else {
            report.skip(property, "needs a name");
            continue;
        };
        let value = match property.content() {
            Some(content) => report.value(&property.name, content, scope),
            None => Some(Value::Text(String::new())),
        };
        message.properties.extend(value.map(|value| (name, value)));
    }
}

/// The body of a message; `None` where it is that of the request.
pub(super) fn payload(
    what: &str,
    content: &Content,
    scope: &mut Scope,
    report: &mut Report,
) -> Option<Value> {
    let before = report.left_out.len();
    let value = report.value(what, content, scope);
    if value.is_none() {
        until_written(report, before);
    }
    value.filter(|value| !matches!(value, Value::Cel(cel) if cel.code == "request.body"))
}

/// Adds to the last reason what the message holds until somebody writes its payload.
pub(super) fn until_written(report: &mut Report, before: usize) {
    if let Some(last) = report.left_out.get_mut(before..).and_then(<[_]>::last_mut) {
        last.why.push_str("; write send.payload: until then the message holds the request's body");
    }
}

/// A span such as `00:10:00` or `1.00:00:00`.
fn time_to_live(content: &Content, scope: &mut Scope, report: &mut Report) -> Option<Value> {
    let value = report.value("time-to-live", content, scope)?;
    let Value::Text(text) = &value else { return Some(value) };
    match span(text) {
        Some(seconds) => Some(Value::Text(seconds)),
        None => {
            let why = "expected a time span such as \"00:10:00\"";
            report.leave_out(content.at, "time-to-live", why);
            None
        }
    }
}

/// A time span of .NET in our form.
fn span(text: &str) -> Option<String> {
    let (whole, fraction) = match text.rsplit_once('.') {
        Some((whole, fraction)) if !fraction.contains(':') => (whole, fraction),
        _ => (text, ""),
    };
    let (days, time) = whole.split_once('.').unwrap_or(("0", whole));
    let mut parts = time.split(':').map(|part| part.parse::<u64>().ok());
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = parts.next().unwrap_or(Some(0))?;
    let fits = hours < 24 && minutes < 60 && seconds < 60 && parts.next().is_none();
    let days = days.parse::<u64>().ok()?.checked_mul(86_400)?;
    let total = days.checked_add(hours * 3600 + minutes * 60 + seconds).filter(|_| fits)?;
    match fraction.trim_end_matches('0') {
        "" => Some(format!("{total}s")),
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => Some(format!("{total}.{digits}s")),
        _ => None,
    }
}
