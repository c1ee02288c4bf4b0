//! Every state of a message against every event.

use std::time::Duration;

use uuid::Uuid;

use super::session_tests::{message, settings};
use super::*;

const START: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Where the one message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Ready,
    Locked,
    Deferred,
    Scheduled,
    Dead,
    DeadLocked,
    DeadDeferred,
    Gone,
}
use Place::{Dead, DeadDeferred, DeadLocked, Deferred, Gone, Locked, Ready, Scheduled};

/// How the message came to where it is before the event.
#[derive(Clone, Copy, Debug)]
enum Before {
    Sent,
    Received,
    /// For the last time that it may.
    ReceivedLast,
    /// Its lifetime has ended since.
    ReceivedExpired,
    Deferred,
    DeferredReceived,
    Scheduled,
    Dead,
    DeadReceived,
    DeadDeferred,
    Completed,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Receive,
    ReceiveDeferred,
    Complete,
    Abandon,
    Release,
    Defer,
    DeadLetter,
    Renew,
    LoseLock,
    Cancel,
    LockEnds,
    LifetimeEnds,
}

struct Subject {
    queue: Queue,
    part: SubQueue,
    token: Uuid,
    now: Timestamp,
}

impl Subject {
    fn new(before: Before) -> Self {
        let settings = QueueSettings { requires_session: false, ..settings() };
        let mut subject = Self {
            queue: Queue::new(settings),
            part: SubQueue::Main,
            token: Uuid::new_v4(),
            now: START,
        };
        let mut sent = std::sync::Arc::into_inner(message("a", "ignored")).unwrap();
        if matches!(before, Before::Scheduled) {
            sent.broker.scheduled_enqueue_time = Some(START + 2 * HOUR);
        }
        if matches!(before, Before::ReceivedExpired) {
            sent.broker.time_to_live = Some(Duration::from_secs(1));
        }
        assert_eq!(subject.queue.send(sent.into(), START), Acceptance::Stored(1));
        let events: &[Event] = match before {
            Before::Sent | Before::Scheduled => &[],
            Before::Received => &[Event::Receive],
            Before::ReceivedExpired => &[Event::Receive],
            Before::ReceivedLast => {
                use Event::{Abandon, Receive};
                &[Receive, Abandon, Receive, Abandon, Receive]
            }
            Before::Deferred => &[Event::Receive, Event::Defer],
            Before::DeferredReceived => &[Event::Receive, Event::Defer, Event::ReceiveDeferred],
            Before::Completed => &[Event::Receive, Event::Complete],
            Before::Dead | Before::DeadReceived | Before::DeadDeferred => {
                &[Event::Receive, Event::DeadLetter]
            }
        };
        for event in events {
            assert!(subject.meets(*event), "{before:?} {event:?}");
        }
        match before {
            Before::Dead | Before::DeadReceived | Before::DeadDeferred => {
                subject.part = SubQueue::DeadLetter;
                let events: &[Event] = match before {
                    Before::DeadReceived => &[Event::Receive],
                    Before::DeadDeferred => &[Event::Receive, Event::Defer],
                    _ => &[],
                };
                for event in events {
                    assert!(subject.meets(*event), "{before:?} {event:?}");
                }
            }
            Before::ReceivedExpired => subject.now = START + MINUTE / 2,
            _ => {}
        }
        subject
    }

    /// Whether the event found what it needs.
    fn meets(&mut self, event: Event) -> bool {
        let Self { queue, part, token, now } = self;
        let settle =
            |queue: &mut Queue, settlement| queue.settle(*part, *token, settlement, *now).is_ok();
        match event {
            Event::Receive => {
                *token = Uuid::new_v4();
                let mode = Mode::Lock(*token);
                queue.receive((*part).into(), mode, *now).unwrap().is_some()
            }
            Event::ReceiveDeferred => {
                *token = Uuid::new_v4();
                queue.receive_deferred((*part).into(), 1, Mode::Lock(*token), *now).is_ok()
            }
            Event::Complete => settle(queue, Settlement::Complete),
            Event::Abandon => settle(queue, Settlement::Abandon(Vec::new())),
            Event::Release => settle(queue, Settlement::Release),
            Event::Defer => settle(queue, Settlement::Defer(Vec::new())),
            Event::DeadLetter => {
                settle(queue, Settlement::DeadLetter(DeadLetter::default(), Vec::new()))
            }
            Event::Renew => queue.renew(*part, *token, *now).is_ok(),
            Event::LoseLock => queue.lose_lock(*part, *token, *now).is_ok(),
            Event::Cancel => queue.cancel(1, *now),
            Event::LockEnds => {
                *now = *now + MINUTE;
                queue.advance(*now);
                true
            }
            Event::LifetimeEnds => {
                *now = START + HOUR;
                queue.advance(*now);
                true
            }
        }
    }

    fn place(&self) -> Place {
        let of = |part| {
            let store = self.queue.messages(part);
            [store.ready_count(), store.locked_count(), store.deferred_count()]
        };
        let scheduled = self.queue.scheduled().len();
        match (of(SubQueue::Main), scheduled, of(SubQueue::DeadLetter)) {
            ([1, 0, 0], 0, [0, 0, 0]) => Ready,
            ([0, 1, 0], 0, [0, 0, 0]) => Locked,
            ([0, 0, 1], 0, [0, 0, 0]) => Deferred,
            ([0, 0, 0], 1, [0, 0, 0]) => Scheduled,
            ([0, 0, 0], 0, [1, 0, 0]) => Dead,
            ([0, 0, 0], 0, [0, 1, 0]) => DeadLocked,
            ([0, 0, 0], 0, [0, 0, 1]) => DeadDeferred,
            ([0, 0, 0], 0, [0, 0, 0]) => Gone,
            doubled => panic!("in several places: {doubled:?}"),
        }
    }
}

#[test]
fn every_state_of_a_message_meets_every_event() {
    use Event::*;
    const EVENTS: [Event; 12] = [
        Receive,
        ReceiveDeferred,
        Complete,
        Abandon,
        Release,
        Defer,
        DeadLetter,
        Renew,
        LoseLock,
        Cancel,
        LockEnds,
        LifetimeEnds,
    ];
    type Row = [Option<Place>; 12];
    const NO: Option<Place> = None;
    const fn to(place: Place) -> Option<Place> {
        Some(place)
    }
    let (go, rd, lk, df, de) = (to(Gone), to(Ready), to(Locked), to(Place::Deferred), to(Dead));
    let (dl, dd, sc) = (to(DeadLocked), to(Place::DeadDeferred), to(Place::Scheduled));
    // `None`: the event finds nothing, and nothing changes.
    let rows: [(Before, Place, Row); 11] = [
        (Before::Sent, Ready, [lk, NO, NO, NO, NO, NO, NO, NO, NO, NO, rd, de]),
        (Before::Received, Locked, [NO, NO, go, rd, rd, df, de, lk, rd, NO, rd, de]),
        (Before::ReceivedLast, Locked, [NO, NO, go, de, rd, df, de, lk, de, NO, de, de]),
        (Before::ReceivedExpired, Locked, [NO, NO, go, de, de, df, de, lk, de, NO, de, de]),
        (Before::Deferred, Place::Deferred, [NO, lk, NO, NO, NO, NO, NO, NO, NO, NO, df, df]),
        (Before::DeferredReceived, Locked, [NO, NO, go, df, df, df, de, lk, df, NO, df, df]),
        (Before::Scheduled, Place::Scheduled, [NO, NO, NO, NO, NO, NO, NO, NO, NO, go, sc, sc]),
        (Before::Dead, Dead, [dl, NO, NO, NO, NO, NO, NO, NO, NO, NO, de, de]),
        (Before::DeadReceived, DeadLocked, [NO, NO, go, de, de, dd, NO, dl, de, NO, de, de]),
        (
            Before::DeadDeferred,
            Place::DeadDeferred,
            [NO, dl, NO, NO, NO, NO, NO, NO, NO, NO, dd, dd],
        ),
        (Before::Completed, Gone, [NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, go, go]),
    ];
    for (before, place, row) in rows {
        for (event, expected) in EVENTS.into_iter().zip(row) {
            let mut subject = Subject::new(before);
            assert_eq!(subject.place(), place, "{before:?}");
            let found = subject.meets(event);
            assert_eq!(found, expected.is_some(), "{before:?} {event:?}");
            assert_eq!(subject.place(), expected.unwrap_or(place), "{before:?} {event:?}");
        }
    }
}

#[test]
fn a_deferred_message_is_held_against_its_lifetime_when_it_is_asked_for() {
    let mut subject = Subject::new(Before::Deferred);
    subject.now = START + HOUR;
    assert!(!subject.meets(Event::ReceiveDeferred));
    assert_eq!(subject.place(), Dead);
}

#[test]
fn a_receiver_dead_letters_with_its_own_words_and_changes_properties() {
    let mut subject = Subject::new(Before::Received);
    let text = |text: &str| PropertyValue::Text(text.into());
    let first = vec![("a".into(), text("1")), ("b".into(), text("2"))];
    let Subject { queue, part, token, now } = &mut subject;
    queue.settle(*part, *token, Settlement::Abandon(first), *now).unwrap();
    let again = Uuid::new_v4();
    queue.receive(SubQueue::Main.into(), Mode::Lock(again), *now).unwrap();
    let why = DeadLetter { reason: Some("bad".into()), description: None };
    let second = vec![("a".into(), text("3"))];
    queue.settle(*part, again, Settlement::DeadLetter(why.clone(), second), *now).unwrap();
    let browsed = queue.browse(SubQueue::DeadLetter, 0, 10, None, *now);
    let [(stored, MessageState::Active)] = browsed.as_slice() else { panic!("{browsed:?}") };
    assert_eq!(stored.dead_letter, Some(why));
    assert_eq!(stored.modified, [("b".into(), text("2")), ("a".into(), text("3"))]);
    assert_eq!(stored.delivery_count, 2);
}

#[test]
fn browsing_shows_every_state_in_order_and_touches_nothing() {
    let mut queue = Queue::new(QueueSettings { requires_session: false, ..settings() });
    for id in ["deferred", "locked", "ready", "later"] {
        let mut sent =
            std::sync::Arc::into_inner(message(id, if id == "ready" { "s" } else { "t" })).unwrap();
        if id == "later" {
            sent.broker.scheduled_enqueue_time = Some(START + HOUR);
        }
        queue.send(sent.into(), START);
    }
    let token = Uuid::new_v4();
    queue.receive(SubQueue::Main.into(), Mode::Lock(token), START).unwrap();
    queue.settle(SubQueue::Main, token, Settlement::Defer(Vec::new()), START).unwrap();
    queue.receive(SubQueue::Main.into(), Mode::Lock(token), START).unwrap();
    let mut seen = |from, count, session| {
        let browsed = queue.browse(SubQueue::Main, from, count, session, START);
        browsed.iter().map(|(stored, state)| (stored.sequence, *state)).collect::<Vec<_>>()
    };
    use MessageState::{Active, Deferred, Scheduled};
    let all = [(1, Deferred), (2, Active), (3, Active), (4, Scheduled)];
    assert_eq!(seen(0, 10, None), all);
    assert_eq!(seen(0, 10, None), all);
    assert_eq!(seen(2, 2, None), all[1..3]);
    assert_eq!(seen(0, 10, Some("s")), all[2..3]);
}
