//! Sessions: every state against every event, and what a lock does to the messages.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::*;

const START: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
const MINUTE: Duration = Duration::from_secs(60);

pub(super) fn settings() -> QueueSettings {
    QueueSettings {
        dead_lettering_on_expiration: true,
        default_time_to_live: 60 * MINUTE,
        duplicate_window: None,
        lock_duration: MINUTE,
        max_delivery_count: 3,
        requires_session: true,
    }
}

pub(super) fn message(id: &str, session: &str) -> Arc<Message> {
    Arc::new(Message {
        body: Bytes::new(),
        content_type: None,
        broker: BrokerProperties {
            message_id: id.into(),
            session_id: Some(session.into()),
            ..BrokerProperties::default()
        },
        properties: Box::default(),
        form: Form::Single,
        request: Weak::new(),
        bare: None,
    })
}

fn queue(messages: &[(&str, &str)]) -> Queue {
    let mut queue = Queue::new(settings());
    for (id, session) in messages {
        queue.send(message(id, session), START);
    }
    queue
}

fn accept(queue: &mut Queue, id: &str, now: Timestamp) -> SessionLock {
    queue.accept_session(Some(id), Uuid::new_v4(), now).unwrap().unwrap().0
}

fn next(queue: &mut Queue, now: Timestamp) -> Option<Box<str>> {
    let accepted = queue.accept_session(None, Uuid::new_v4(), now).unwrap();
    accepted.map(|(lock, _)| lock.id)
}

fn receive(queue: &mut Queue, lock: &SessionLock, now: Timestamp) -> Option<(String, Uuid, u32)> {
    let source = Source { part: SubQueue::Main, session: Some(lock) };
    let delivery = queue.receive(source, Mode::Lock(Uuid::new_v4()), now).unwrap()?;
    let id = delivery.stored.message.broker.message_id.to_string();
    Some((id, delivery.lock.unwrap().0, delivery.stored.delivery_count))
}

/// Who holds session `s` before the event.
#[derive(Clone, Copy, Debug)]
enum Before {
    Nobody,
    Me,
    Another,
    /// I did, until its time came.
    MeOnce,
    /// I did, and another does now.
    MeThenAnother,
}

#[test]
fn every_state_of_a_session_meets_every_event() {
    use Before::{Another, Me, MeOnce, MeThenAnother, Nobody};
    let now = START + 2 * MINUTE;
    for (state, mine, free) in [
        (Nobody, false, true),
        (Me, true, false),
        (Another, false, false),
        (MeOnce, false, true),
        (MeThenAnother, false, false),
    ] {
        let build = || {
            let mut queue = queue(&[("a", "s"), ("b", "s")]);
            let stranger = SessionLock { id: "s".into(), owner: Uuid::new_v4() };
            let lock = match state {
                Nobody => stranger,
                Me => accept(&mut queue, "s", now),
                Another => {
                    accept(&mut queue, "s", now);
                    stranger
                }
                MeOnce => accept(&mut queue, "s", START),
                MeThenAnother => {
                    let lock = accept(&mut queue, "s", START);
                    accept(&mut queue, "s", now);
                    lock
                }
            };
            (queue, lock)
        };
        let held = |result: Result<(), LockLost>| assert_eq!(result.is_ok(), mine, "{state:?}");

        let (mut queue, _) = build();
        let accepted = queue.accept_session(Some("s"), Uuid::new_v4(), now);
        assert_eq!(accepted.is_ok(), free, "{state:?}");
        let (mut queue, _) = build();
        assert_eq!(next(&mut queue, now).is_some(), free, "{state:?}");
        let (mut queue, lock) = build();
        held(queue.renew_session(&lock, now).map(|until| assert_eq!(until, now + MINUTE)));
        let (mut queue, lock) = build();
        held(queue.session_held_until(&lock, now).map(drop));
        let (mut queue, lock) = build();
        held(queue.set_session_state(&lock, Some(Bytes::from_static(b"x")), now));
        let (mut queue, lock) = build();
        held(queue.session_state(&lock, now).map(|state| assert_eq!(state, None)));
        let (mut queue, lock) = build();
        held(queue.release_session(&lock, now));
        let (mut queue, lock) = build();
        held(queue.lose_session(&lock, now));
        let (mut queue, lock) = build();
        let source = Source { part: SubQueue::Main, session: Some(&lock) };
        held(queue.receive(source, Mode::Delete, now).map(|delivery| {
            assert_eq!(&*delivery.unwrap().stored.message.broker.message_id, "a");
        }));
        let (mut queue, lock) = build();
        let source = Source { part: SubQueue::Main, session: Some(&lock) };
        let lost = Err(DeferredError::LockLost);
        let deferred = queue.receive_deferred(source, 7, Mode::Delete, now).map(drop);
        assert_eq!(deferred, if mine { Err(DeferredError::NotFound) } else { lost }, "{state:?}");
    }
}

#[test]
fn who_holds_no_session_gets_nothing() {
    let mut queue = queue(&[("a", "s")]);
    let delivery = queue.receive(SubQueue::Main.into(), Mode::Delete, START).unwrap();
    assert!(delivery.is_none());
}

#[test]
fn the_next_session_is_the_one_that_has_waited_longest() {
    let mut queue = queue(&[("a", "x"), ("b", "y"), ("c", "x")]);
    assert_eq!(next(&mut queue, START).as_deref(), Some("x"));
    assert_eq!(next(&mut queue, START).as_deref(), Some("y"));
    assert_eq!(next(&mut queue, START), None);
    assert_eq!(next(&mut queue, START + MINUTE).as_deref(), Some("x"));
}

#[test]
fn a_session_without_messages_can_be_held_by_name() {
    let mut queue = queue(&[]);
    assert_eq!(next(&mut queue, START), None);
    let lock = accept(&mut queue, "reply", START);
    assert_eq!(receive(&mut queue, &lock, START), None);
    queue.send(message("a", "reply"), START);
    queue.send(message("b", "other"), START);
    assert_eq!(receive(&mut queue, &lock, START).map(|(id, ..)| id).as_deref(), Some("a"));
    assert_eq!(receive(&mut queue, &lock, START), None);
}

#[test]
fn a_session_that_is_given_up_does_not_count_deliveries_and_one_that_runs_out_does() {
    let mut queue = queue(&[("a", "s")]);
    let first = accept(&mut queue, "s", START);
    assert_eq!(receive(&mut queue, &first, START).unwrap().2, 1);
    queue.release_session(&first, START).unwrap();
    let second = accept(&mut queue, "s", START);
    assert_eq!(receive(&mut queue, &second, START).unwrap().2, 1);
    let third = accept(&mut queue, "s", START + MINUTE);
    let (_, token, count) = receive(&mut queue, &third, START + MINUTE).unwrap();
    assert_eq!(count, 2);
    queue.lose_session(&third, START + MINUTE).unwrap();
    let lost = queue.settle(SubQueue::Main, token, Settlement::Complete, START + MINUTE);
    assert_eq!(lost, Err(SettleError::LockLost));
    let fourth = accept(&mut queue, "s", START + MINUTE);
    assert_eq!(receive(&mut queue, &fourth, START + MINUTE).unwrap().2, 3);
    queue.advance(START + 2 * MINUTE);
    assert_eq!(queue.messages(SubQueue::DeadLetter).ready_count(), 1);
}

#[test]
fn the_lock_of_the_session_is_that_of_its_messages() {
    let mut queue = queue(&[("a", "s")]);
    let lock = accept(&mut queue, "s", START);
    let (_, token, _) = receive(&mut queue, &lock, START).unwrap();
    assert_eq!(queue.renew(SubQueue::Main, token, START), Err(LockLost));
    let later = START + MINUTE / 2;
    assert_eq!(queue.renew_session(&lock, later), Ok(later + MINUTE));
    let settled = queue.settle(SubQueue::Main, token, Settlement::Complete, START + MINUTE);
    assert_eq!(settled, Ok(()));
}

#[test]
fn state_outlives_its_holder_and_an_empty_session_is_forgotten() {
    let mut queue = queue(&[]);
    let lock = accept(&mut queue, "s", START);
    queue.set_session_state(&lock, Some(Bytes::from_static(b"step 2")), START).unwrap();
    queue.release_session(&lock, START).unwrap();
    let lock = accept(&mut queue, "s", START);
    assert_eq!(queue.session_state(&lock, START), Ok(Some(Bytes::from_static(b"step 2"))));
    queue.set_session_state(&lock, None, START).unwrap();
    queue.release_session(&lock, START).unwrap();
    assert_eq!(queue.messages(SubQueue::Main).sessions().unwrap().list(), []);
}

#[test]
fn a_deferred_message_comes_to_the_holder_of_its_session_alone() {
    let mut queue = queue(&[("a", "s"), ("b", "t")]);
    let lock = accept(&mut queue, "s", START);
    let (_, token, _) = receive(&mut queue, &lock, START).unwrap();
    queue.settle(SubQueue::Main, token, Settlement::Defer(Vec::new()), START).unwrap();
    assert_eq!(receive(&mut queue, &lock, START), None);
    let other = accept(&mut queue, "t", START);
    for (session, found) in [(None, false), (Some(&other), false), (Some(&lock), true)] {
        let source = Source { part: SubQueue::Main, session };
        let received = queue.receive_deferred(source, 1, Mode::Delete, START);
        assert_eq!(received.is_ok(), found);
    }
}
