//! All that the page shows, in one answer: entities with their counts, the messages of one of them,
//! the latest requests. It is asked for every second, so each part has a limit.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::entities::{queue_counts, topic_counts};
use crate::auth::Signer;
use crate::broker::{
    Entity, Form, MessageState, Namespace, PropertyValue, Queue, QueueEntity, SessionView, Stored,
    SubQueue, Timestamp, TopicEntity,
};
use crate::http::Headers;
use crate::service::{Check, Entry, Service};
use crate::wire::render;

/// How many messages, and how many requests, are shown.
const SHOWN_AT_MOST: usize = 100;
/// How much of a body is shown.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// Whose messages are asked for.
pub(super) struct Selection {
    pub(super) namespace: String,
    pub(super) entity: String,
    pub(super) part: SubQueue,
}

/// What there is to see. `messages` is `null` if no queue or subscription is selected, `sessions`
/// also if the selected one has none.
pub(super) fn overview(service: &Service, selection: Option<&Selection>) -> Value {
    let queue = selection.and_then(|selection| selected(service, selection));
    json!({
        "shown_at_most": SHOWN_AT_MOST,
        "tier": service.tier().name(),
        "namespaces": service.namespaces().iter().map(namespace).collect::<Value>(),
        "messages": queue.map(|(entity, part)| messages(entity, part)),
        "sessions": queue.and_then(|(entity, part)| sessions(entity, part)),
        "requests": requests(service),
    })
}

fn selected<'a>(
    service: &'a Service,
    Selection { namespace, entity, part }: &Selection,
) -> Option<(&'a QueueEntity, SubQueue)> {
    let named = |other: &&Namespace| other.name() == namespace;
    match service.namespaces().iter().find(named)?.entity(entity)? {
        Entity::Queue(queue) => Some((queue, *part)),
        Entity::Topic(_) => None,
    }
}

fn namespace(namespace: &Namespace) -> Value {
    let (mut queues, mut topics) = (Vec::new(), Vec::new());
    for entity in namespace.entities() {
        match entity {
            Entity::Queue(entity) if entity.is_subscription => {}
            Entity::Queue(entity) => queues.push(queue(entity)),
            Entity::Topic(entity) => topics.push(topic(entity)),
        }
    }
    json!({ "name": namespace.name(), "queues": queues, "topics": topics })
}

fn queue(entity: &QueueEntity) -> Value {
    json!({ "path": entity.path, "counts": queue_counts(entity) })
}

fn topic(entity: &TopicEntity) -> Value {
    let subscriptions = entity.subscriptions.iter();
    json!({
        "path": entity.path,
        "counts": topic_counts(entity),
        "subscriptions": subscriptions.map(|subscription| queue(&subscription.entity)).collect::<Value>(),
    })
}

/// The latest messages, the last one first.
fn messages(entity: &QueueEntity, part: SubQueue) -> Value {
    let mut queue = entity.queue.lock();
    queue.advance(Timestamp::now());
    let latest = latest(&queue, part).into_iter();
    latest.map(|(stored, state, until)| message(stored, state, until)).collect()
}

/// The sessions by id, as many as are shown.
fn sessions(entity: &QueueEntity, part: SubQueue) -> Option<Value> {
    let mut queue = entity.queue.lock();
    queue.advance(Timestamp::now());
    let sessions = queue.messages(part).sessions()?;
    let shown = sessions.list().into_iter().take(SHOWN_AT_MOST);
    let session = |SessionView { id, ready, received, locked_until, state_bytes, .. }| {
        json!({
            "id": id,
            "waiting": ready,
            "received": received,
            "locked_until": locked_until.map(time),
            "state_bytes": state_bytes,
        })
    };
    Some(shown.map(session).collect())
}

fn time(moment: Timestamp) -> String {
    format!("{}Z", moment.to_iso8601())
}

type Shown<'a> = (&'a Stored, &'static str, Option<Timestamp>);

fn latest(queue: &Queue, part: SubQueue) -> Vec<Shown<'_>> {
    let store = queue.messages(part);
    let ready = store.ready(0).rev().take(SHOWN_AT_MOST).map(|stored| (stored, "active", None));
    let locked = store.locked_until().map(|(stored, until)| (stored, "locked", Some(until)));
    let deferred = store.deferred_from(0).rev().take(SHOWN_AT_MOST);
    let deferred = deferred.map(|stored| (stored, "deferred", None));
    let mut latest: Vec<Shown<'_>> = ready.chain(locked).chain(deferred).collect();
    if part == SubQueue::Main {
        let scheduled = queue.scheduled().soonest().rev().take(SHOWN_AT_MOST);
        latest.extend(scheduled.map(|stored| (stored, "scheduled", None)));
    }
    latest.sort_unstable_by_key(|(stored, ..)| std::cmp::Reverse(stored.sequence));
    latest.truncate(SHOWN_AT_MOST);
    latest
}

fn message(stored: &Stored, state: &str, locked_until: Option<Timestamp>) -> Value {
    let message = &*stored.message;
    let broker_state = match state {
        "scheduled" => MessageState::Scheduled,
        "deferred" => MessageState::Deferred,
        _ => MessageState::Active,
    };
    let dead_letter = stored.dead_letter.as_ref();
    json!({
        "sequence": stored.sequence,
        "state": state,
        "locked_until": locked_until.map(time),
        "dead_letter": dead_letter.map(|dead_letter| {
            json!({ "reason": dead_letter.reason, "description": dead_letter.description })
        }),
        "broker_properties": render::broker_properties(stored, broker_state.name()),
        "properties": render::properties(stored).iter().map(property).collect::<Value>(),
        "content_type": message.content_type,
        "form": message.form.name(),
        "body": body(&message.body),
        "request": message.request.upgrade().map(|headers| request_headers(&headers)),
    })
}

/// With its value as text: a number in a browser would lose digits.
fn property((name, value): &(String, PropertyValue)) -> Value {
    let (kind, value) = match value {
        PropertyValue::Text(text) => ("text", text.to_string()),
        PropertyValue::Integer(number) => ("integer", number.to_string()),
        PropertyValue::Float(number) => ("float", number.to_string()),
        PropertyValue::Boolean(value) => ("boolean", value.to_string()),
        PropertyValue::Other(scalar) => {
            let json = value.to_json();
            (scalar.name(), json.as_str().map_or_else(|| json.to_string(), str::to_owned))
        }
    };
    json!({ "name": name, "type": kind, "value": value })
}

fn body(bytes: &[u8]) -> Value {
    let shown = bytes.get(..MAX_BODY_BYTES).unwrap_or(bytes);
    let text = match std::str::from_utf8(shown) {
        Ok(text) => Some(text),
        // Cut within a character.
        Err(error) if shown.len() < bytes.len() && error.error_len().is_none() => {
            shown.get(..error.valid_up_to()).and_then(|whole| std::str::from_utf8(whole).ok())
        }
        Err(_) => None,
    };
    json!({
        "bytes": bytes.len(),
        "text": text,
        "base64": text.is_none().then(|| STANDARD.encode(shown)),
        "cut": shown.len() < bytes.len(),
    })
}

/// The latest requests, the last one first.
fn requests(service: &Service) -> Value {
    service.journal().lock().latest(SHOWN_AT_MOST).rev().map(request).collect()
}

fn request(entry: &Entry) -> Value {
    let asked = &entry.asked;
    json!({
        "number": entry.number,
        "time": time(entry.at),
        "protocol": asked.protocol(),
        "method": asked.operation(),
        "path": without_token(asked.target()),
        "authority": asked.authority(),
        "tls_server_name": asked.peer().server_name.as_deref(),
        "status": entry.status,
        "failed": entry.failed.map(Check::name),
        "verdict": entry.verdict,
        "form": entry.form.map(Form::name),
        "condition": entry.condition,
        "request": asked.headers().map(request_headers),
    })
}

/// A client may have put its token in the query, where it does not belong.
fn without_token(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let known = |parameter: &str| {
        ["timeout=", "api-version="].iter().any(|name| parameter.starts_with(name))
    };
    if query.split('&').all(known) { target.to_owned() } else { format!("{path}?(redacted)") }
}

fn request_headers(headers: &Headers) -> Value {
    let is_authorization = |name: &str| name.eq_ignore_ascii_case("authorization");
    let signers: Value = headers.all("authorization").map(signer).collect();
    let others: Value = headers
        .iter()
        .filter(|(name, _)| !is_authorization(name))
        .map(|(name, value)| json!([name, String::from_utf8_lossy(value)]))
        .collect();
    json!({ "authorization": signers, "headers": others })
}

fn signer(authorization: &[u8]) -> Value {
    let Signer { kind, name, expires_at } = Signer::of(&String::from_utf8_lossy(authorization));
    json!({
        "kind": kind,
        "name": name,
        "expires": expires_at.map(time),
    })
}
