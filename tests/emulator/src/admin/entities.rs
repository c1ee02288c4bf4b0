//! What is in the entities, and what ever was.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::requests;
use crate::broker::{Entity, Ledger, QueueEntity, Store, Stored, SubQueue, Timestamp, TopicEntity};
use crate::refusal::Refusal;
use crate::service::Service;
use crate::wire::render;

fn find<'a>(service: &'a Service, path: &str) -> Result<&'a Entity, Refusal> {
    let mut namespaces = service.namespaces().iter();
    namespaces
        .find_map(|namespace| namespace.entity(path))
        .ok_or_else(|| Refusal::not_found(format!("there is no entity '{path}'")))
}

/// Whether there is an entity at a path.
pub(super) fn exists(service: &Service, path: &str) -> Result<(), Refusal> {
    find(service, path).map(drop)
}

/// Counts of every entity.
pub(super) fn list(service: &Service) -> Value {
    let mut listed = Map::new();
    for entity in service.namespaces().iter().flat_map(|namespace| namespace.entities()) {
        let counts = match entity {
            Entity::Queue(entity) => queue_counts(entity),
            Entity::Topic(entity) => topic_counts(entity),
        };
        listed.insert(entity.path().to_owned(), counts);
    }
    Value::Object(listed)
}

/// Counts of a queue or subscription.
pub(super) fn queue_counts(entity: &QueueEntity) -> Value {
    let mut queue = entity.queue.lock();
    queue.advance(Timestamp::now());
    let kind = if entity.is_subscription { "subscription" } else { "queue" };
    let (main, dead) = (queue.messages(SubQueue::Main), queue.messages(SubQueue::DeadLetter));
    json!({
        "kind": kind,
        "active": main.ready_count(),
        "locked": main.locked_count(),
        "deferred": main.deferred_count(),
        "scheduled": queue.scheduled().len(),
        "dead_lettered": dead.ready_count() + dead.locked_count() + dead.deferred_count(),
        "stored": queue.ledger().total(),
        "duplicates": queue.ledger().duplicates(),
    })
}

/// Counts of a topic.
pub(super) fn topic_counts(entity: &TopicEntity) -> Value {
    let topic = entity.topic.lock();
    json!({
        "kind": "topic",
        "stored": topic.ledger().total(),
        "duplicates": topic.ledger().duplicates(),
    })
}

/// The messages of a queue, none of them touched.
pub(super) fn peek(
    service: &Service,
    path: &[&str],
    limit: Option<usize>,
) -> Result<Value, Refusal> {
    let (path, part) = match path {
        [path @ .., last] if last.eq_ignore_ascii_case("$DeadLetterQueue") => {
            (path, SubQueue::DeadLetter)
        }
        path => (path, SubQueue::Main),
    };
    let Entity::Queue(entity) = find(service, &path.join("/"))? else {
        return Err(Refusal::bad_request("a topic keeps no messages; look into its subscriptions"));
    };
    let mut queue = entity.queue.lock();
    queue.advance(Timestamp::now());
    let mut messages = of_store(queue.messages(part));
    if part == SubQueue::Main {
        messages
            .extend(queue.scheduled().soonest().map(|stored| (stored, "Scheduled", "scheduled")));
    }
    messages.sort_unstable_by_key(|(stored, ..)| stored.sequence);
    let shown = messages.into_iter().take(limit.unwrap_or(usize::MAX));
    Ok(shown.map(|(stored, state, holding)| message(stored, state, holding)).collect())
}

fn of_store(store: &Store) -> Vec<(&Stored, &'static str, &'static str)> {
    let ready = store.ready(0).map(|stored| (stored, "Active", "active"));
    let locked = store.locked().map(|stored| (stored, "Active", "locked"));
    let deferred = store.deferred_from(0).map(|stored| (stored, "Deferred", "deferred"));
    ready.chain(locked).chain(deferred).collect()
}

fn message(stored: &Stored, state: &str, holding: &str) -> Value {
    let message = &*stored.message;
    let properties: Map<String, Value> = render::properties(stored)
        .into_iter()
        .map(|(name, value)| (name, value.to_json()))
        .collect();
    json!({
        "state": holding,
        "body": std::str::from_utf8(&message.body).ok(),
        "body_base64": STANDARD.encode(&message.body),
        "content_type": message.content_type,
        "broker_properties": render::broker_properties(stored, state),
        "properties": properties,
        "form": message.form.name(),
        "request_headers": message.request.upgrade().map(|headers| requests::headers(&headers)),
    })
}

/// Empties an entity and forgets what ever was in it.
pub(super) fn clear(service: &Service, path: &[&str]) -> Result<Value, Refusal> {
    match find(service, &path.join("/"))? {
        Entity::Queue(entity) => entity.queue.lock().clear(),
        Entity::Topic(entity) => {
            entity.topic.lock().clear();
            for subscription in &entity.subscriptions {
                subscription.entity.queue.lock().clear();
            }
        }
    }
    Ok(json!({}))
}

/// Every message id that was ever stored, with how often, as JSON text. There may be millions, so
/// they are written one by one.
pub(super) fn stored(service: &Service, path: &str) -> Result<String, Refusal> {
    let written = match find(service, path)? {
        Entity::Queue(entity) => write(entity.queue.lock().ledger()),
        Entity::Topic(entity) => write(entity.topic.lock().ledger()),
    };
    written.map_err(|error| Refusal::new(500, error.to_string()))
}

fn write(ledger: &Ledger) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Stored<'a> {
        #[serde(serialize_with = "messages")]
        messages: &'a Ledger,
        stored: u64,
        duplicates: u64,
    }

    let (stored, duplicates) = (ledger.total(), ledger.duplicates());
    serde_json::to_string(&Stored { messages: ledger, stored, duplicates })
}

fn messages<S: Serializer>(ledger: &&Ledger, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(ledger.iter().map(|(id, count)| (id.to_string(), count)))
}
