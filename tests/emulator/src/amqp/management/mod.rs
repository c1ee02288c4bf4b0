//! `$management`: what an entity is asked for beside transfers.

mod messages;
mod rules;
mod sessions;

use super::codec::Value;
use super::error::{AmqpError, condition};
use crate::auth::Right;
use crate::broker::{Entity, QueueEntity, Rules, SessionLock, SubQueue, Timestamp};
use crate::wire::Tier;

/// What a request is about.
pub(super) struct Context<'a> {
    /// The entity.
    pub entity: &'a Entity,
    /// Its rules, if it is a subscription.
    pub rules: Option<&'a Rules>,
    /// Which of its queues.
    pub part: SubQueue,
    /// The lock that the client holds on a session, by its id; without, that of the link on which
    /// the client receives.
    pub session: &'a dyn Fn(Option<&str>) -> Option<SessionLock>,
    /// Limits of size.
    pub tier: Tier,
    /// The time.
    pub now: Timestamp,
}

/// An answer.
#[derive(Debug, PartialEq)]
pub(super) struct Response {
    /// A status of HTTP, as an int: Go reads no other type.
    pub status: i32,
    /// What people read.
    pub description: Box<str>,
    /// What SDKs decide by.
    pub condition: Option<Box<str>>,
    /// A map or null.
    pub body: Value,
}

impl Response {
    fn ok<'a>(entries: impl IntoIterator<Item = (&'a str, Value)>) -> Self {
        let body = Value::string_map(entries);
        Self { status: 200, description: "OK".into(), condition: None, body }
    }

    /// Nothing is there, or nothing was done.
    pub(super) fn none() -> Self {
        let description = "No content".into();
        Self { status: 204, description, condition: None, body: Value::Null }
    }
}

impl From<AmqpError> for Response {
    fn from(AmqpError { condition, description }: AmqpError) -> Self {
        let status = match &*condition {
            condition::UNAUTHORIZED => 401,
            condition::NOT_FOUND | condition::MESSAGE_NOT_FOUND => 404,
            condition::ENTITY_ALREADY_EXISTS => 409,
            condition::MESSAGE_LOCK_LOST | condition::SESSION_LOCK_LOST => 410,
            condition::NOT_IMPLEMENTED => 501,
            condition::SERVER_BUSY => 503,
            _ => 400,
        };
        Self { status, description, condition: Some(condition), body: Value::Null }
    }
}

/// Ends the locks that a request names, for a fault.
pub(super) fn lose_locks(body: &Value, context: &Context<'_>) {
    let body = Body(body);
    let Ok(entity) = context.queue() else { return };
    let mut queue = entity.queue.lock();
    for token in body.uuids("lock-tokens").unwrap_or_default() {
        // It may be lost already.
        let _ = queue.lose_lock(context.part, token, context.now);
    }
    let session = (context.session)(body.text("session-id").ok().flatten());
    if let Some(lock) = session {
        let _ = queue.lose_session(&lock, context.now);
    }
}

/// The right that an operation needs. Rules need no more than receiving does.
#[must_use]
pub(super) fn right(operation: &str) -> Right {
    match operation {
        "com.microsoft:schedule-message" | "com.microsoft:cancel-scheduled-message" => Right::Send,
        _ => Right::Listen,
    }
}

/// Carries out an operation.
///
/// # Errors
/// What the client is told.
pub(super) fn carry_out(
    operation: &str,
    body: &Value,
    context: &Context<'_>,
) -> Result<Response, AmqpError> {
    let body = Body(body);
    match operation.strip_prefix("com.microsoft:").unwrap_or_default() {
        "renew-lock" => messages::renew_lock(&body, context),
        "peek-message" => messages::peek(&body, context),
        "receive-by-sequence-number" => messages::receive_deferred(&body, context),
        "update-disposition" => messages::update_disposition(&body, context),
        "schedule-message" => messages::schedule(&body, context),
        "cancel-scheduled-message" => messages::cancel(&body, context),
        "batch-delete-messages" => messages::delete(&body, context),
        "renew-session-lock" => sessions::renew(&body, context),
        "get-session-state" => sessions::state(&body, context),
        "set-session-state" => sessions::set_state(&body, context),
        "get-message-sessions" => sessions::list(&body, context),
        "add-rule" => rules::add(&body, context),
        "remove-rule" => rules::remove(&body, context),
        "enumerate-rules" => rules::list(&body, context),
        _ => Err(AmqpError::new(
            condition::NOT_IMPLEMENTED,
            format!("The operation '{operation}' is not supported by this emulator."),
        )),
    }
}

impl<'a> Context<'a> {
    /// The queue or subscription.
    fn queue(&self) -> Result<&'a QueueEntity, AmqpError> {
        match self.entity {
            Entity::Queue(queue) => Ok(queue),
            Entity::Topic(topic) => Err(AmqpError::new(
                condition::NOT_ALLOWED,
                format!("The topic '{}' keeps no messages.", topic.path),
            )),
        }
    }
}

/// The map that a request carries.
struct Body<'a>(&'a Value);

impl<'a> Body<'a> {
    fn wrong(name: &str) -> AmqpError {
        AmqpError::new(
            condition::ARGUMENT_ERROR,
            format!("The entry '{name}' of the request is missing or of the wrong type."),
        )
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| **value != Value::Null)
    }

    fn text(&self, name: &str) -> Result<Option<&'a str>, AmqpError> {
        self.get(name).map(|value| value.as_text().ok_or_else(|| Self::wrong(name))).transpose()
    }

    fn required_text(&self, name: &str) -> Result<&'a str, AmqpError> {
        self.text(name)?.ok_or_else(|| Self::wrong(name))
    }

    fn integer(&self, name: &str) -> Result<Option<i128>, AmqpError> {
        self.get(name).map(|value| value.as_integer().ok_or_else(|| Self::wrong(name))).transpose()
    }

    fn required_integer(&self, name: &str) -> Result<i128, AmqpError> {
        self.integer(name)?.ok_or_else(|| Self::wrong(name))
    }

    fn elements(&self, name: &str) -> Result<&'a [Value], AmqpError> {
        self.get(name).and_then(Value::as_elements).ok_or_else(|| Self::wrong(name))
    }

    fn uuids(&self, name: &str) -> Result<Vec<uuid::Uuid>, AmqpError> {
        let uuid = |value: &Value| match value {
            Value::Uuid(id) => Ok(*id),
            _ => Err(Self::wrong(name)),
        };
        self.elements(name)?.iter().map(uuid).collect()
    }

    fn sequence_numbers(&self, name: &str) -> Result<Vec<u64>, AmqpError> {
        let number = |value: &Value| {
            let number = value.as_integer().ok_or_else(|| Self::wrong(name))?;
            u64::try_from(number).map_err(|_| Self::wrong(name))
        };
        self.elements(name)?.iter().map(number).collect()
    }
}

fn timestamp(moment: Timestamp) -> Value {
    Value::Timestamp(i64::try_from(moment.unix_millis()).unwrap_or(i64::MAX))
}

fn session_lost() -> AmqpError {
    AmqpError::new(
        condition::SESSION_LOCK_LOST,
        "The session lock has expired on the MessageSession. Accept a new MessageSession.",
    )
}
