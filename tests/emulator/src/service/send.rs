//! Sends.

use std::sync::Arc;

use bytes::Bytes;

use super::Route;
use super::exchange::Done;
use crate::broker::{Acceptance, Entity, SubQueue, Timestamp};
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
    if route.part == SubQueue::DeadLetter {
        return Err(Refusal::bad_request("Messages cannot be sent to a dead-letter queue."));
    }
    let requires_session = match entity {
        Entity::Queue(queue) if queue.is_subscription => {
            return Err(Refusal::bad_request(
                "Messages cannot be sent to a subscription; send to its topic.",
            ));
        }
        Entity::Queue(queue) => queue.requires_session,
        Entity::Topic(_) => false,
    };
    let messages = wire::parse(&head.headers, body, tier)?;
    if requires_session {
        let sessionless =
            |session: &Option<Box<str>>| session.as_ref().is_none_or(|id| id.is_empty());
        if messages.iter().any(|message| sessionless(&message.broker.session_id)) {
            return Err(Refusal::bad_request(format!(
                "The entity '{}' requires sessions: SessionId must be set.",
                entity.path()
            )));
        }
    }
    let now = Timestamp::now();
    let count = messages.len();
    let duplicates = messages
        .into_iter()
        .map(|message| entity.send(Arc::new(message), now))
        .filter(|acceptance| *acceptance == Acceptance::Duplicate)
        .count();
    Ok(Done { response: Response::empty(201), verdict: verdict(count, duplicates) })
}

fn verdict(count: usize, duplicates: usize) -> String {
    match (count, duplicates) {
        (1, 0) => "stored".to_owned(),
        (1, _) => "duplicate dropped".to_owned(),
        (_, 0) => format!("stored {count}"),
        _ => format!("stored {}, duplicates dropped {duplicates}", count - duplicates),
    }
}
