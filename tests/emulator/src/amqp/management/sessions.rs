//! Operations on sessions.

use super::{Body, Context, Response, session_lost, timestamp};
use crate::amqp::codec::Value;
use crate::amqp::error::{AmqpError, condition};
use crate::broker::{LockLost, SessionLock, Timestamp};

/// The last millisecond of the year 9999, where .NET's time ends.
const LAST: i64 = 253_402_300_799_999;

/// The lock that the client holds on the session of a request.
fn lock(body: &Body<'_>, context: &Context<'_>) -> Result<SessionLock, AmqpError> {
    (context.session)(Some(body.required_text("session-id")?)).ok_or_else(session_lost)
}

fn lost(LockLost: LockLost) -> AmqpError {
    session_lost()
}

pub(super) fn renew(body: &Body<'_>, context: &Context<'_>) -> Result<Response, AmqpError> {
    let lock = lock(body, context)?;
    let mut queue = context.queue()?.queue.lock();
    let until = queue.renew_session(&lock, context.now).map_err(lost)?;
    Ok(Response::ok([("expiration", timestamp(until))]))
}

pub(super) fn state(body: &Body<'_>, context: &Context<'_>) -> Result<Response, AmqpError> {
    let lock = lock(body, context)?;
    let mut queue = context.queue()?.queue.lock();
    let state = queue.session_state(&lock, context.now).map_err(lost)?;
    Ok(Response::ok([("session-state", state.map_or(Value::Null, Value::Binary))]))
}

pub(super) fn set_state(body: &Body<'_>, context: &Context<'_>) -> Result<Response, AmqpError> {
    let lock = lock(body, context)?;
    let state = match body.get("session-state") {
        None => None,
        Some(Value::Binary(bytes)) => Some(bytes.clone()),
        Some(_) => return Err(Body::wrong("session-state")),
    };
    let limit = context.tier.max_message_bytes();
    if state.as_ref().is_some_and(|state| state.len() > limit) {
        let reason = format!("The session state exceeds the limit of {limit} bytes.");
        return Err(AmqpError::new(condition::MESSAGE_SIZE_EXCEEDED, reason));
    }
    let mut queue = context.queue()?.queue.lock();
    queue.set_session_state(&lock, state, context.now).map_err(lost)?;
    Ok(Response::ok([]))
}

/// The ids of the sessions that have messages or state, or of those whose state was set after a
/// moment. SDKs name the end of .NET's time for the first.
pub(super) fn list(body: &Body<'_>, context: &Context<'_>) -> Result<Response, AmqpError> {
    let number =
        |name| usize::try_from(body.integer(name)?.unwrap_or(0)).map_err(|_| Body::wrong(name));
    let (skip, top) = (number("skip")?, number("top")?);
    let since = match body.get("last-updated-time") {
        Some(Value::Timestamp(millis)) if *millis < LAST => {
            Some(Timestamp::from_unix_millis(u64::try_from(*millis).unwrap_or(0)))
        }
        None | Some(Value::Timestamp(_)) => None,
        Some(_) => return Err(Body::wrong("last-updated-time")),
    };
    let mut queue = context.queue()?.queue.lock();
    queue.advance(context.now);
    let sessions = queue.messages(context.part).sessions().ok_or_else(|| {
        AmqpError::new(condition::NOT_ALLOWED, "The entity does not require sessions.")
    })?;
    let listed = sessions.list();
    let shown = listed.iter().filter(|view| match since {
        Some(since) => view.state_set_at.is_some_and(|at| at > since),
        None => view.ready + view.received > 0 || view.state_bytes.is_some(),
    });
    let ids: Vec<_> = shown.skip(skip).take(top).map(|view| Value::string(view.id)).collect();
    if ids.is_empty() {
        return Ok(Response::none());
    }
    let next = i32::try_from(skip.saturating_add(ids.len())).unwrap_or(i32::MAX);
    Ok(Response::ok([("skip", Value::Int(next)), ("sessions-ids", Value::Array(ids))]))
}
