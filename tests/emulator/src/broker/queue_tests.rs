//! The rules of a queue, with time as an argument.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::*;

const START: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

fn after(seconds: u64) -> Timestamp {
    START + Duration::from_secs(seconds)
}

fn settings() -> QueueSettings {
    QueueSettings {
        dead_lettering_on_expiration: false,
        default_time_to_live: Duration::from_secs(3600),
        duplicate_window: None,
        lock_duration: Duration::from_secs(60),
        max_delivery_count: 3,
        requires_session: false,
    }
}

fn message(id: &str, change: impl FnOnce(&mut BrokerProperties)) -> Arc<Message> {
    let mut broker = BrokerProperties { message_id: id.into(), ..BrokerProperties::default() };
    change(&mut broker);
    Arc::new(Message {
        body: Bytes::new(),
        content_type: None,
        broker,
        properties: Box::default(),
        form: Form::Single,
        request: Weak::new(),
        bare: None,
    })
}

fn send(queue: &mut Queue, id: &str, now: Timestamp) {
    assert!(matches!(queue.send(message(id, |_| {}), now), Acceptance::Stored(_)));
}

fn receive(queue: &mut Queue, part: SubQueue, now: Timestamp) -> Option<Delivery> {
    queue.receive(part.into(), Mode::Delete, now).unwrap()
}

/// The id of the next message, which is gone then.
fn next(queue: &mut Queue, now: Timestamp) -> Option<String> {
    receive(queue, SubQueue::Main, now).map(|delivery| id(&delivery))
}

fn id(delivery: &Delivery) -> String {
    delivery.stored.message.broker.message_id.to_string()
}

fn lock(queue: &mut Queue, part: SubQueue, now: Timestamp) -> (Delivery, Uuid) {
    let delivery = try_lock(queue, part, now).unwrap();
    let (token, _) = delivery.lock.unwrap();
    (delivery, token)
}

fn try_lock(queue: &mut Queue, part: SubQueue, now: Timestamp) -> Option<Delivery> {
    queue.receive(part.into(), Mode::Lock(Uuid::new_v4()), now).unwrap()
}

const LOST: Result<(), SettleError> = Err(SettleError::LockLost);

fn complete(
    queue: &mut Queue,
    part: SubQueue,
    token: Uuid,
    now: Timestamp,
) -> Result<(), SettleError> {
    queue.settle(part, token, Settlement::Complete, now)
}

fn abandon(
    queue: &mut Queue,
    part: SubQueue,
    token: Uuid,
    now: Timestamp,
) -> Result<(), SettleError> {
    queue.settle(part, token, Settlement::Abandon(Vec::new()), now)
}

fn buried(queue: &mut Queue, now: Timestamp) -> (String, DeadLetter) {
    let delivery = receive(queue, SubQueue::DeadLetter, now).unwrap();
    (id(&delivery), delivery.stored.dead_letter.unwrap())
}

#[test]
fn messages_come_in_the_order_in_which_they_were_sent() {
    let mut queue = Queue::new(settings());
    for id in ["a", "b", "c"] {
        send(&mut queue, id, START);
    }
    let first = receive(&mut queue, SubQueue::Main, START).unwrap();
    assert_eq!((first.stored.sequence, first.stored.delivery_count, first.lock), (1, 1, None));
    assert_eq!(next(&mut queue, START).as_deref(), Some("b"));
    assert_eq!(next(&mut queue, START).as_deref(), Some("c"));
    assert_eq!(next(&mut queue, START), None);
    assert_eq!(queue.ledger().total(), 3);
}

#[test]
fn a_locked_message_is_hidden_until_it_is_completed() {
    let mut queue = Queue::new(settings());
    send(&mut queue, "a", START);
    let (delivery, token) = lock(&mut queue, SubQueue::Main, START);
    assert_eq!(delivery.lock, Some((token, after(60))));
    assert!(try_lock(&mut queue, SubQueue::Main, START).is_none());
    assert_eq!(complete(&mut queue, SubQueue::Main, token, after(59)), Ok(()));
    assert_eq!(next(&mut queue, after(61)), None);
    assert_eq!(complete(&mut queue, SubQueue::Main, token, after(59)), LOST);
}

#[test]
fn a_lock_is_found_by_its_token_and_by_nothing_else() {
    let mut queue = Queue::new(settings());
    send(&mut queue, "order-1", START);
    let (_, token) = lock(&mut queue, SubQueue::Main, START);
    let stranger = Uuid::new_v4();
    for (name, held, is_locked) in
        [("1", token, true), ("order-1", token, true), ("2", token, false), ("1", stranger, false)]
    {
        assert_eq!(queue.is_locked(SubQueue::Main, name, held), is_locked, "{name}");
    }
    assert!(!queue.is_locked(SubQueue::DeadLetter, "1", token));
    assert_eq!(abandon(&mut queue, SubQueue::Main, stranger, START), LOST);
    assert_eq!(complete(&mut queue, SubQueue::DeadLetter, token, START), LOST);
    assert_eq!(queue.renew(SubQueue::Main, token, START), Ok(after(60)));
    assert_eq!(complete(&mut queue, SubQueue::Main, token, START), Ok(()));
}

#[test]
fn an_abandoned_message_comes_back_to_its_place_with_a_higher_count() {
    let mut queue = Queue::new(settings());
    send(&mut queue, "a", START);
    send(&mut queue, "b", START);
    let (_, token) = lock(&mut queue, SubQueue::Main, START);
    assert_eq!(abandon(&mut queue, SubQueue::Main, token, START), Ok(()));
    let (again, other) = lock(&mut queue, SubQueue::Main, START);
    assert_eq!((id(&again).as_str(), again.stored.delivery_count), ("a", 2));
    assert_ne!(token, other);
}

#[test]
fn a_lock_ends_on_time_unless_it_is_renewed() {
    let mut queue = Queue::new(settings());
    send(&mut queue, "a", START);
    let (_, token) = lock(&mut queue, SubQueue::Main, START);
    assert_eq!(queue.next_change(), after(60));
    assert_eq!(queue.renew(SubQueue::Main, token, after(59)), Ok(after(119)));
    assert_eq!(queue.next_change(), after(119));
    assert!(try_lock(&mut queue, SubQueue::Main, after(118)).is_none());
    assert_eq!(queue.renew(SubQueue::Main, token, after(119)), Err(LockLost));
    let (again, _) = lock(&mut queue, SubQueue::Main, after(119));
    assert_eq!(again.stored.delivery_count, 2);
}

#[test]
fn a_message_that_no_one_completes_is_dead_lettered() {
    let mut queue = Queue::new(settings());
    send(&mut queue, "a", START);
    for seconds in [0, 60] {
        lock(&mut queue, SubQueue::Main, after(seconds));
    }
    let (_, token) = lock(&mut queue, SubQueue::Main, after(120));
    assert_eq!(abandon(&mut queue, SubQueue::Main, token, after(120)), Ok(()));
    assert_eq!(next(&mut queue, after(120)), None);
    let delivery = receive(&mut queue, SubQueue::DeadLetter, after(120)).unwrap();
    assert_eq!(delivery.stored.delivery_count, 4);
    let reason = delivery.stored.dead_letter.unwrap();
    assert_eq!(reason.reason.as_deref(), Some("MaxDeliveryCountExceeded"));
    assert_eq!(
        reason.description.as_deref(),
        Some("Message could not be consumed after 3 delivery attempts.")
    );
}

#[test]
fn a_dead_letter_stays_until_it_is_completed() {
    let mut queue = Queue::new(QueueSettings { max_delivery_count: 1, ..settings() });
    send(&mut queue, "a", START);
    lock(&mut queue, SubQueue::Main, START);
    // The end of the lock buries it. Neither its lifetime nor its deliveries matter from here on.
    for hours in 1..5 {
        lock(&mut queue, SubQueue::DeadLetter, after(hours * 3600));
    }
    let (_, token) = lock(&mut queue, SubQueue::DeadLetter, after(5 * 3600));
    assert_eq!(abandon(&mut queue, SubQueue::DeadLetter, token, after(5 * 3600)), Ok(()));
    let (_, token) = lock(&mut queue, SubQueue::DeadLetter, after(5 * 3600));
    assert_eq!(complete(&mut queue, SubQueue::DeadLetter, token, after(5 * 3600)), Ok(()));
    assert!(receive(&mut queue, SubQueue::DeadLetter, after(6 * 3600)).is_none());
}

#[test]
fn a_message_lives_for_the_shorter_of_its_own_time_and_the_queues() {
    let live = |own: Option<u64>, now| {
        let mut queue = Queue::new(settings());
        let sent = message("a", |broker| broker.time_to_live = own.map(Duration::from_secs));
        queue.send(sent, START);
        next(&mut queue, now).is_some()
    };
    assert!(live(Some(10), after(9)));
    assert!(!live(Some(10), after(10)));
    assert!(live(None, after(3599)));
    assert!(!live(None, after(3600)));
    assert!(!live(Some(7200), after(3600)));
}

#[test]
fn an_expired_message_is_dead_lettered_where_the_queue_says_so() {
    let mut queue = Queue::new(QueueSettings { dead_lettering_on_expiration: true, ..settings() });
    send(&mut queue, "a", START);
    assert_eq!(queue.next_change(), after(3600));
    let (id, reason) = buried(&mut queue, after(3600));
    assert_eq!(id, "a");
    assert_eq!(reason.reason.as_deref(), Some("TTLExpiredException"));
    assert_eq!(reason.description.as_deref(), Some("The message expired and was dead lettered."));

    let mut silent = Queue::new(settings());
    send(&mut silent, "a", START);
    silent.advance(after(3600));
    assert!(receive(&mut silent, SubQueue::DeadLetter, after(3600)).is_none());
}

#[test]
fn sending_alone_drops_what_has_expired() {
    let mut queue = Queue::new(settings());
    send(&mut queue, "a", START);
    send(&mut queue, "b", after(3600));
    assert_eq!(queue.messages(SubQueue::Main).ready_count(), 1);
    assert_eq!(queue.ledger().total(), 2);
}

#[test]
fn a_lock_protects_from_expiry() {
    let mut queue = Queue::new(QueueSettings { dead_lettering_on_expiration: true, ..settings() });
    queue.send(message("a", |broker| broker.time_to_live = Some(Duration::from_secs(5))), START);
    let (_, token) = lock(&mut queue, SubQueue::Main, START);
    queue.advance(after(30));
    assert!(receive(&mut queue, SubQueue::DeadLetter, after(30)).is_none());
    assert_eq!(abandon(&mut queue, SubQueue::Main, token, after(30)), Ok(()));
    assert_eq!(buried(&mut queue, after(30)).1.reason.as_deref(), Some("TTLExpiredException"));
}

#[test]
fn a_scheduled_message_comes_when_its_time_has_come() {
    let mut queue = Queue::new(settings());
    let due = |broker: &mut BrokerProperties| broker.scheduled_enqueue_time = Some(after(100));
    queue.send(message("later", due), START);
    send(&mut queue, "now", after(50));
    assert_eq!(queue.next_change(), after(100));
    assert_eq!(queue.scheduled().len(), 1);

    queue.advance(after(100));
    assert_eq!(queue.scheduled().len(), 0);
    assert_eq!(next(&mut queue, after(100)).as_deref(), Some("now"));
    let delivery = receive(&mut queue, SubQueue::Main, after(100)).unwrap();
    assert_eq!(delivery.stored.enqueued_at, after(100));
    // Its lifetime runs from there, and it queued up behind what was there already.
    assert_eq!(delivery.stored.expires_at(), after(3700));
    assert_eq!(delivery.stored.sequence, 3);
}

#[test]
fn a_time_that_has_passed_schedules_nothing() {
    let mut queue = Queue::new(settings());
    queue.send(message("a", |broker| broker.scheduled_enqueue_time = Some(START)), after(1));
    assert_eq!(next(&mut queue, after(1)).as_deref(), Some("a"));
}

#[test]
fn a_duplicate_is_accepted_and_dropped() {
    let window = Some(Duration::from_secs(20));
    let mut queue = Queue::new(QueueSettings { duplicate_window: window, ..settings() });
    send(&mut queue, "a", START);
    assert_eq!(queue.send(message("a", |_| {}), after(19)), Acceptance::Duplicate);
    assert_eq!(next(&mut queue, after(19)).as_deref(), Some("a"));
    // Having been received does not make the id new.
    assert_eq!(queue.send(message("a", |_| {}), after(19)), Acceptance::Duplicate);
    assert_eq!(next(&mut queue, after(19)), None);
    send(&mut queue, "a", after(20));
    assert_eq!((queue.ledger().total(), queue.ledger().duplicates()), (2, 2));
}

#[test]
fn a_cleared_queue_remembers_nothing() {
    let window = Some(Duration::from_secs(20));
    let mut queue = Queue::new(QueueSettings { duplicate_window: window, ..settings() });
    send(&mut queue, "a", START);
    queue.clear();
    assert_eq!(next(&mut queue, START), None);
    assert_eq!(queue.ledger().iter().count(), 0);
    send(&mut queue, "a", START);
    assert_eq!(queue.ledger().total(), 1);
}
