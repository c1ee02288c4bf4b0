//! Receiving and settling.

use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use tokio::time::Instant;
use uuid::Uuid;

use super::exchange::Done;
use super::{Operation, Route};
use crate::broker::{
    Delivery, Entity, Mode, QueueEntity, SettleError, Settlement, SubQueue, Timestamp,
};
use crate::http::{Head, Response};
use crate::refusal::Refusal;
use crate::wire::render;

/// What a path cannot hold as it is.
const NOT_IN_PATHS: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'<').add(b'>').add(b'?').add(b'`');

fn queue(entity: &Entity, part: SubQueue) -> Result<&QueueEntity, Refusal> {
    match entity {
        Entity::Topic(topic) => Err(Refusal::bad_request(format!(
            "Messages cannot be received from the topic '{}'; receive from a subscription.",
            topic.path
        ))),
        // The messages of a dead-letter queue need no session.
        Entity::Queue(queue) if queue.requires_session && part == SubQueue::Main => {
            Err(Refusal::bad_request(
                "It is not possible for an entity that requires sessions to create a non-sessionful \
             message receiver.",
            ))
        }
        Entity::Queue(queue) => Ok(queue),
    }
}

/// Hands out a message, waiting for one if need be.
pub(super) async fn receive(entity: &Entity, route: &Route, head: &Head) -> Result<Done, Refusal> {
    let entity = queue(entity, route.part)?;
    let Some(delivery) = next_delivery(entity, route).await else {
        return Ok(Done { response: Response::empty(204), verdict: "no message".to_owned() });
    };
    let verdict = format!("delivered {}", delivery.stored.message.broker.message_id);
    let mut headers = render::headers(&delivery);
    let mut status = 200;
    if let Some((token, _)) = delivery.lock {
        status = 201;
        headers.push(("Location".to_owned(), location(entity, route, head, &delivery, token)));
    }
    let body = delivery.stored.message.body.clone();
    Ok(Done { response: Response { status, headers, body, chunked: true }, verdict })
}

fn location(
    entity: &QueueEntity,
    route: &Route,
    head: &Head,
    delivery: &Delivery,
    token: Uuid,
) -> String {
    let scheme = if head.peer.tls { "https" } else { "http" };
    let authority = &head.authority;
    let path = utf8_percent_encode(&entity.path, NOT_IN_PATHS);
    let part = match route.part {
        SubQueue::Main => "",
        SubQueue::DeadLetter => "/$DeadLetterQueue",
    };
    let sequence = delivery.stored.sequence;
    format!("{scheme}://{authority}/{path}{part}/messages/{sequence}/{token}")
}

async fn next_delivery(entity: &QueueEntity, route: &Route) -> Option<Delivery> {
    let deadline = Instant::now() + route.timeout;
    loop {
        // Enrolled before the look, so that no message slips in between.
        let changed = entity.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();

        let now = Timestamp::now();
        let next_change = {
            let mut queue = entity.queue.lock();
            let mode = match route.operation {
                Operation::PeekLock => Mode::Lock(Uuid::new_v4()),
                _ => Mode::Delete,
            };
            // Without a session no lock on one can be lost.
            if let Ok(Some(delivery)) = queue.receive(route.part.into(), mode, now) {
                return Some(delivery);
            }
            queue.next_change()
        };
        if Instant::now() >= deadline {
            return None;
        }
        // A lifetime without end is far beyond what the timer takes.
        let pause = next_change.since(now).min(Duration::from_secs(3600));
        tokio::select! {
            () = changed => {}
            () = tokio::time::sleep_until(deadline.min(Instant::now() + pause)) => {}
        }
    }
}

/// Completes, abandons, or renews.
pub(super) fn settle(entity: &Entity, route: &Route, loses_lock: bool) -> Result<Done, Refusal> {
    let entity = queue(entity, route.part)?;
    let lost = || {
        Refusal::not_found(
            "The lock supplied is invalid. Either the lock expired, or the message has already \
             been removed from the queue.",
        )
    };
    let (name, token) = route.lock.as_ref().ok_or_else(lost)?;
    let now = Timestamp::now();
    let (result, verdict) = {
        let mut queue = entity.queue.lock();
        if !queue.is_locked(route.part, name, *token) {
            return Err(lost());
        }
        if loses_lock {
            // It is there, as was just seen.
            let _ = queue.lose_lock(route.part, *token, now);
        }
        let mut settle = |settlement| queue.settle(route.part, *token, settlement, now);
        match route.operation {
            Operation::Complete => (settle(Settlement::Complete), "completed"),
            Operation::Abandon => (settle(Settlement::Abandon(Vec::new())), "abandoned"),
            _ => {
                let renewed = queue.renew(route.part, *token, now);
                (renewed.map(drop).map_err(SettleError::from), "lock renewed")
            }
        }
    };
    // A lock that was lost is a message for others.
    entity.announce();
    result.map_err(|_| lost())?;
    Ok(Done { response: Response::empty(200), verdict: verdict.to_owned() })
}
