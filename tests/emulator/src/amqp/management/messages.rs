//! Operations on messages.

use uuid::Uuid;

use super::{Body, Context, Response, session_lost, timestamp};
use crate::amqp::codec::Value;
use crate::amqp::connection::{modified, settle_error};
use crate::amqp::error::{AmqpError, condition};
use crate::amqp::message;
use crate::broker::{
    Acceptance, DeadLetter, DeferredError, MessageState, Mode, SettleError, Settlement, Source,
    Stored, Timestamp,
};
use crate::service;

/// Messages that are shown or deleted at once, whatever is asked for.
const MAX_COUNT: usize = 5000;
/// Bytes of messages that are shown at once: the answer is one message itself.
const MAX_BYTES: usize = 1024 * 1024;

pub(super) fn renew_lock(body: &Body<'_>, context: &Context<'_>) -> Result<Response, AmqpError> {
    let mut queue = context.queue()?.queue.lock();
    let mut expirations = Vec::new();
    for token in body.uuids("lock-tokens")? {
        let until = queue
            .renew(context.part, token, context.now)
            .map_err(|lost| settle_error(SettleError::from(lost)))?;
        expirations.push(timestamp(until));
    }
    if expirations.is_empty() {
        return Err(Body::wrong("lock-tokens"));
    }
    Ok(Response::ok([("expirations", Value::Array(expirations))]))
}

fn encoded(
    stored: &Stored,
    state: MessageState,
    deliveries: u32,
    until: Option<Timestamp>,
) -> Value {
    Value::Binary(message::encode(stored, state, deliveries, until).into())
}

pub(super) fn peek(body: &Body<'_>, context: &Context<'_>) -> Result<Response, AmqpError> {
    let from = u64::try_from(body.required_integer("from-sequence-number")?).unwrap_or(0);
    let count = usize::try_from(body.required_integer("message-count")?)
        .map_err(|_| Body::wrong("message-count"))?;
    let session = body.text("session-id")?;
    let mut queue = context.queue()?.queue.lock();
    let browsed = queue.browse(context.part, from, count.min(MAX_COUNT), session, context.now);
    let mut bytes = 0;
    let mut messages = Vec::new();
    for (stored, state) in browsed {
        bytes += stored.message.body.len();
        if bytes > MAX_BYTES && !messages.is_empty() {
            break;
        }
        let message = encoded(&stored, state, stored.delivery_count, None);
        messages.push(Value::string_map([("message", message)]));
    }
    if messages.is_empty() {
        return Ok(Response::none());
    }
    Ok(Response::ok([("messages", Value::List(messages))]))
}

pub(super) fn receive_deferred(
    body: &Body<'_>,
    context: &Context<'_>,
) -> Result<Response, AmqpError> {
    let sequences = body.sequence_numbers("sequence-numbers")?;
    let deletes = body.integer("receiver-settle-mode")?.unwrap_or(1) == 0;
    let session = match body.text("session-id")? {
        Some(id) => Some((context.session)(Some(id)).ok_or_else(session_lost)?),
        None => (context.session)(None),
    };
    let source = Source { part: context.part, session: session.as_ref() };
    let mut queue = context.queue()?.queue.lock();
    let mut messages = Vec::new();
    for sequence in sequences {
        let mode = if deletes { Mode::Delete } else { Mode::Lock(Uuid::new_v4()) };
        let received = queue.receive_deferred(source, sequence, mode, context.now);
        let delivery = match received {
            Ok(delivery) => delivery,
            Err(DeferredError::LockLost) => return Err(session_lost()),
            Err(DeferredError::NotFound) => {
                return Err(AmqpError::new(
                    condition::MESSAGE_NOT_FOUND,
                    format!("No message with the sequence number {sequence} is deferred."),
                ));
            }
        };
        let deliveries = delivery.stored.delivery_count.saturating_sub(1);
        let message = message::encode_deferred(&delivery.stored, deliveries, delivery.lock);
        let mut entry = vec![("message", Value::Binary(message.into()))];
        if let Some((token, _)) = delivery.lock {
            entry.push(("lock-token", Value::Uuid(token)));
        }
        messages.push(Value::string_map(entry));
    }
    if messages.is_empty() {
        return Err(Body::wrong("sequence-numbers"));
    }
    Ok(Response::ok([("messages", Value::List(messages))]))
}

pub(super) fn update_disposition(
    body: &Body<'_>,
    context: &Context<'_>,
) -> Result<Response, AmqpError> {
    let modified = modified(body.get("properties-to-modify"), |_| true)?;
    let settlement = match body.required_text("disposition-status")? {
        "completed" => Settlement::Complete,
        "abandoned" => Settlement::Abandon(modified),
        // As Microsoft spells it.
        "defered" | "deferred" => Settlement::Defer(modified),
        "suspended" => {
            let text = |name| body.text(name).map(|text| text.map(Into::into));
            let why = DeadLetter {
                reason: text("deadletter-reason")?,
                description: text("deadletter-description")?,
            };
            Settlement::DeadLetter(why, modified)
        }
        other => {
            let reason = format!("There is no disposition '{other}'.");
            return Err(AmqpError::new(condition::ARGUMENT_ERROR, reason));
        }
    };
    let entity = context.queue()?;
    for token in body.uuids("lock-tokens")? {
        let settled =
            entity.queue.lock().settle(context.part, token, settlement.clone(), context.now);
        settled.map_err(settle_error)?;
    }
    entity.announce();
    Ok(Response::ok([]))
}

pub(super) fn schedule(body: &Body<'_>, context: &Context<'_>) -> Result<Response, AmqpError> {
    service::check_target(context.entity, context.part)
        .map_err(|refusal| AmqpError::new(condition::NOT_ALLOWED, refusal.detail))?;
    let mut messages = Vec::new();
    for entry in body.elements("messages")? {
        let Some(Value::Binary(encoded)) = entry.get("message") else {
            return Err(Body::wrong("messages"));
        };
        messages.extend(message::parse(encoded, 0, context.tier)?);
    }
    if messages.iter().any(|message| message.broker.scheduled_enqueue_time.is_none()) {
        return Err(AmqpError::new(
            condition::ARGUMENT_ERROR,
            "A message to be scheduled lacks x-opt-scheduled-enqueue-time.",
        ));
    }
    if messages.is_empty() {
        return Err(Body::wrong("messages"));
    }
    let accepted = service::store(context.entity, messages, context.now)
        .map_err(|refusal| AmqpError::new(condition::NOT_ALLOWED, refusal.detail))?;
    let numbers = accepted.into_iter().map(|acceptance| match acceptance {
        Acceptance::Stored(sequence) => Value::Long(i64::try_from(sequence).unwrap_or(i64::MAX)),
        Acceptance::Duplicate => Value::Long(0),
    });
    Ok(Response::ok([("sequence-numbers", Value::Array(numbers.collect()))]))
}

pub(super) fn cancel(body: &Body<'_>, context: &Context<'_>) -> Result<Response, AmqpError> {
    for sequence in body.sequence_numbers("sequence-numbers")? {
        if !context.entity.cancel(sequence, context.now) {
            return Err(AmqpError::new(
                condition::MESSAGE_NOT_FOUND,
                format!("No message with the sequence number {sequence} is scheduled."),
            ));
        }
    }
    Ok(Response::ok([]))
}

/// Deletes the oldest messages that were enqueued before a moment.
pub(super) fn delete(body: &Body<'_>, context: &Context<'_>) -> Result<Response, AmqpError> {
    let count = usize::try_from(body.required_integer("message-count")?)
        .map_err(|_| Body::wrong("message-count"))?;
    let before = match body.get("enqueued-time-utc") {
        Some(Value::Timestamp(millis)) => {
            Timestamp::from_unix_millis(u64::try_from(*millis).unwrap_or(0))
        }
        _ => return Err(Body::wrong("enqueued-time-utc")),
    };
    let session = match body.text("session-id")? {
        Some(id) => Some((context.session)(Some(id)).ok_or_else(session_lost)?),
        None => (context.session)(None),
    };
    let mut queue = context.queue()?.queue.lock();
    let id = session.as_ref().map(|lock| &*lock.id);
    let mut deleted = 0;
    queue.advance(context.now);
    while deleted < count.min(MAX_COUNT) {
        let store = queue.messages(context.part);
        let first = store.ready(0).find(|stored| id.is_none_or(|id| stored.session() == id));
        if first.is_none_or(|first| first.enqueued_at > before) {
            break;
        }
        let source = Source { part: context.part, session: session.as_ref() };
        match queue.receive(source, Mode::Delete, context.now) {
            Ok(Some(_)) => deleted += 1,
            _ => break,
        }
    }
    if deleted == 0 {
        return Ok(Response::none());
    }
    let deleted = i32::try_from(deleted).unwrap_or(i32::MAX);
    Ok(Response::ok([("message-count", Value::Int(deleted))]))
}
