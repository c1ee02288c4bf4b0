//! Sends.

use std::sync::Arc;

use bytes::Bytes;

use super::Route;
use super::exchange::Done;
use crate::broker::{Acceptance, Entity, Message, SubQueue, Timestamp};
use crate::http::{Head, Response};
use crate::refusal::Refusal;
use crate::wire::{self, Tier};

/// Stores the messages of a request: all of them, or none if one of them is wrong.
pub(super) fn send(
    entity: &Entity,
    route: &Route,
    head: &Head,
    body: &Bytes,
    tier: Tier,
) -> Result<Done, Refusal> {
    check_target(entity, route.part)?;
    let messages = wire::parse(&head.headers, body, tier)?;
    let accepted = store(entity, messages, Timestamp::now())?;
    Ok(Done { response: Response::empty(201), verdict: outcome(&accepted) })
}

/// Whether messages can be sent there.
///
/// # Errors
/// It is a dead-letter queue or a subscription.
pub fn check_target(entity: &Entity, part: SubQueue) -> Result<(), Refusal> {
    if part == SubQueue::DeadLetter {
        return Err(Refusal::bad_request("Messages cannot be sent to a dead-letter queue."));
    }
    match entity {
        Entity::Queue(queue) if queue.is_subscription => Err(Refusal::bad_request(
            "Messages cannot be sent to a subscription; send to its topic.",
        )),
        Entity::Queue(_) | Entity::Topic(_) => Ok(()),
    }
}

/// Stores messages: all of them, or none if one of them lacks the session that it needs.
///
/// # Errors
/// One of them does.
pub fn store(
    entity: &Entity,
    messages: Vec<Message>,
    now: Timestamp,
) -> Result<Vec<Acceptance>, Refusal> {
    let requires_session = match entity {
        Entity::Queue(queue) => queue.requires_session,
        Entity::Topic(_) => false,
    };
    let sessionless = |message: &Message| {
        message.broker.session_id.as_ref().is_none_or(|session| session.is_empty())
    };
    if requires_session && messages.iter().any(sessionless) {
        return Err(Refusal::bad_request(format!(
            "The entity '{}' requires sessions: SessionId must be set.",
            entity.path()
        )));
    }
    Ok(messages.into_iter().map(|message| entity.send(Arc::new(message), now)).collect())
}

/// What became of messages, in words.
#[must_use]
pub fn outcome(accepted: &[Acceptance]) -> String {
    let count = accepted.len();
    let is_duplicate = |acceptance: &&Acceptance| **acceptance == Acceptance::Duplicate;
    match (count, accepted.iter().filter(is_duplicate).count()) {
        (1, 0) => "stored".to_owned(),
        (1, _) => "duplicate dropped".to_owned(),
        (_, 0) => format!("stored {count}"),
        (_, duplicates) => {
            format!("stored {}, duplicates dropped {duplicates}", count - duplicates)
        }
    }
}
