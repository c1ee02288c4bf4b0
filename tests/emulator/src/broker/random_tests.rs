//! Random clients at one queue while time passes: no message is lost, doubled, or out of the order
//! of its session.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::session_tests::{message, settings};
use super::*;

#[derive(Clone, Debug)]
enum Op {
    Send { session: u8, lives: Option<u8>, later: Option<u8> },
    Accept { client: usize, session: Option<u8> },
    GiveUp { client: usize },
    Renew { client: usize },
    LoseSession { client: usize },
    Receive { client: usize, delete: bool, dead: bool },
    ReceiveDeferred { client: usize, which: usize },
    Settle { client: usize, which: usize, how: u8 },
    RenewMessage { client: usize, which: usize },
    Cancel { which: usize },
    Browse,
    Pass { seconds: u8 },
}

fn op() -> impl Strategy<Value = Op> {
    let client = 0..3usize;
    prop_oneof![
        4 => (0..3u8, prop::option::weighted(0.3, 1..90u8), prop::option::weighted(0.2, 1..90u8))
            .prop_map(|(session, lives, later)| Op::Send { session, lives, later }),
        2 => (client.clone(), prop::option::of(0..3u8))
            .prop_map(|(client, session)| Op::Accept { client, session }),
        1 => client.clone().prop_map(|client| Op::GiveUp { client }),
        1 => client.clone().prop_map(|client| Op::Renew { client }),
        1 => client.clone().prop_map(|client| Op::LoseSession { client }),
        6 => (client.clone(), any::<bool>(), prop::bool::weighted(0.2))
            .prop_map(|(client, delete, dead)| Op::Receive { client, delete, dead }),
        1 => (client.clone(), any::<usize>())
            .prop_map(|(client, which)| Op::ReceiveDeferred { client, which }),
        5 => (client.clone(), any::<usize>(), 0..5u8)
            .prop_map(|(client, which, how)| Op::Settle { client, which, how }),
        1 => (client, any::<usize>())
            .prop_map(|(client, which)| Op::RenewMessage { client, which }),
        1 => any::<usize>().prop_map(|which| Op::Cancel { which }),
        1 => Just(Op::Browse),
        2 => (1..70u8).prop_map(|seconds| Op::Pass { seconds }),
    ]
}

#[derive(Default)]
struct Client {
    session: Option<SessionLock>,
    /// What it received under a lock, by token: the part and the id.
    held: Vec<(Uuid, SubQueue, String)>,
}

struct World {
    queue: Queue,
    now: Timestamp,
    clients: [Client; 3],
    sent: usize,
    gone: BTreeSet<String>,
}

fn id(stored: &Stored) -> String {
    stored.message.broker.message_id.to_string()
}

impl World {
    fn new(requires_session: bool) -> Self {
        Self {
            queue: Queue::new(QueueSettings { requires_session, ..settings() }),
            now: Timestamp::from_unix_seconds(1_800_000_000),
            clients: Default::default(),
            sent: 0,
            gone: BTreeSet::new(),
        }
    }

    fn meet(&mut self, op: Op) {
        let now = self.now;
        match op {
            Op::Send { session, lives, later } => {
                let name = format!("m{}", self.sent);
                let mut sent = Arc::into_inner(message(&name, &format!("s{session}"))).unwrap();
                sent.broker.time_to_live = lives.map(|s| Duration::from_secs(s.into()));
                sent.broker.scheduled_enqueue_time =
                    later.map(|s| now + Duration::from_secs(s.into()));
                let accepted = self.queue.send(sent.into(), now);
                assert!(matches!(accepted, Acceptance::Stored(_)));
                self.sent += 1;
            }
            Op::Accept { client, session } => {
                let session = session.map(|session| format!("s{session}"));
                let owner = Uuid::new_v4();
                let accepted = self.queue.accept_session(session.as_deref(), owner, now);
                let Ok(Some((lock, _))) = accepted else { return };
                for other in &self.clients {
                    let Some(theirs) = other.session.clone().filter(|held| held.id == lock.id)
                    else {
                        continue;
                    };
                    assert_eq!(self.queue.session_held_until(&theirs, now), Err(LockLost));
                }
                self.clients[client].session = Some(lock);
            }
            Op::GiveUp { client } => {
                if let Some(lock) = self.clients[client].session.take() {
                    let _ = self.queue.release_session(&lock, now);
                }
            }
            Op::Renew { client } => {
                if let Some(lock) = &self.clients[client].session {
                    let _ = self.queue.renew_session(lock, now);
                }
            }
            Op::LoseSession { client } => {
                if let Some(lock) = &self.clients[client].session {
                    let _ = self.queue.lose_session(lock, now);
                }
            }
            Op::Receive { client, delete, dead } => self.receive(client, delete, dead),
            Op::ReceiveDeferred { client, which } => self.receive_deferred(client, which),
            Op::Settle { client, which, how } => self.settle(client, which, how),
            Op::RenewMessage { client, which } => {
                let held = &self.clients[client].held;
                if let Some((token, part, _)) = held.get(which % held.len().max(1)) {
                    let _ = self.queue.renew(*part, *token, now);
                }
            }
            Op::Cancel { which } => {
                let scheduled: Vec<_> =
                    self.queue.scheduled().from(0).map(|s| (s.sequence, id(s))).collect();
                if let Some((sequence, id)) = scheduled.get(which % scheduled.len().max(1))
                    && self.queue.cancel(*sequence, now)
                {
                    self.gone.insert(id.clone());
                }
            }
            Op::Browse => {
                let seen = self.queue.browse(SubQueue::Main, 0, 1000, None, now).len();
                let dead = self.queue.browse(SubQueue::DeadLetter, 0, 1000, None, now).len();
                assert_eq!(seen + dead + self.gone.len(), self.sent);
            }
            Op::Pass { seconds } => self.now = now + Duration::from_secs(seconds.into()),
        }
    }

    fn receive(&mut self, client: usize, delete: bool, dead: bool) {
        let now = self.now;
        self.queue.advance(now);
        let session = self.clients[client].session.clone().filter(|_| !dead);
        let part = if dead { SubQueue::DeadLetter } else { SubQueue::Main };
        let store = self.queue.messages(part);
        let first = store
            .ready(0)
            .find(|stored| {
                store.sessions().is_none()
                    || session.as_ref().is_some_and(|lock| *stored.session() == *lock.id)
            })
            .map(id);
        let token = Uuid::new_v4();
        let mode = if delete { Mode::Delete } else { Mode::Lock(token) };
        let has_sessions = store.sessions().is_some();
        let source = Source { part, session: session.as_ref().filter(|_| has_sessions) };
        let Ok(delivery) = self.queue.receive(source, mode, now) else { return };
        assert_eq!(delivery.as_ref().map(|delivery| id(&delivery.stored)), first, "order");
        if let Some(delivery) = delivery {
            self.delivered(client, part, &delivery);
        }
    }

    fn receive_deferred(&mut self, client: usize, which: usize) {
        let now = self.now;
        let store = self.queue.messages(SubQueue::Main);
        let deferred: Vec<u64> = store.deferred_from(0).map(|stored| stored.sequence).collect();
        let has_sessions = store.sessions().is_some();
        let Some(sequence) = deferred.get(which % deferred.len().max(1)) else { return };
        let session = self.clients[client].session.clone().filter(|_| has_sessions);
        let source = Source { part: SubQueue::Main, session: session.as_ref() };
        let mode = Mode::Lock(Uuid::new_v4());
        if let Ok(delivery) = self.queue.receive_deferred(source, *sequence, mode, now) {
            self.delivered(client, SubQueue::Main, &delivery);
        }
    }

    fn delivered(&mut self, client: usize, part: SubQueue, delivery: &Delivery) {
        let name = id(&delivery.stored);
        assert!(!self.gone.contains(&name), "{name} came again after it was done with");
        for (token, part, held) in self.clients.iter().flat_map(|client| &client.held) {
            let still = self.queue.is_locked(*part, held, *token);
            assert!(*held != name || !still, "{name} was handed out twice");
        }
        match delivery.lock {
            Some((token, until)) => {
                assert!(until > self.now);
                self.clients[client].held.push((token, part, name));
            }
            None => drop(self.gone.insert(name)),
        }
    }

    fn settle(&mut self, client: usize, which: usize, how: u8) {
        let held = &mut self.clients[client].held;
        if held.is_empty() {
            return;
        }
        let (token, part, name) = held.swap_remove(which % held.len());
        let settlement = match how {
            0 => Settlement::Complete,
            1 => Settlement::Abandon(Vec::new()),
            2 => Settlement::Release,
            3 => Settlement::Defer(Vec::new()),
            _ => Settlement::DeadLetter(DeadLetter::default(), Vec::new()),
        };
        if self.queue.settle(part, token, settlement, self.now).is_ok() && how == 0 {
            self.gone.insert(name);
        }
    }

    /// Every message is in exactly one place, or done with.
    fn check(&self) {
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for part in [SubQueue::Main, SubQueue::DeadLetter] {
            let store = self.queue.messages(part);
            let all = store.ready(0).chain(store.deferred_from(0)).map(id);
            for name in all.chain(store.locked().map(id)) {
                *places.entry(name).or_default() += 1;
            }
        }
        for stored in self.queue.scheduled().soonest() {
            *places.entry(id(stored)).or_default() += 1;
        }
        for name in &self.gone {
            *places.entry(name.clone()).or_default() += 1;
        }
        assert!(places.values().all(|count| *count == 1), "{places:?}");
        assert_eq!(places.len(), self.sent);
    }
}

impl World {
    /// When all locks have ended, every message can still be had.
    fn drain(&mut self) {
        self.now = self.now + Duration::from_secs(120);
        for client in &mut self.clients {
            client.held.clear();
            client.session = None;
        }
        self.queue.advance(self.now);
        for part in [SubQueue::Main, SubQueue::DeadLetter] {
            assert_eq!(self.queue.messages(part).locked_count(), 0, "{part:?}");
        }
        // Deferred ones first, session by session, since the sessions are free now.
        let store = self.queue.messages(SubQueue::Main);
        let has_sessions = store.sessions().is_some();
        let deferred: Vec<_> = store
            .deferred_from(0)
            .map(|stored| (stored.sequence, stored.session().to_owned()))
            .collect();
        for (sequence, session) in deferred {
            let id = has_sessions.then_some(session);
            let lock = id.map(|id| {
                self.queue.accept_session(Some(&id), Uuid::new_v4(), self.now).unwrap().unwrap().0
            });
            let source = Source { part: SubQueue::Main, session: lock.as_ref() };
            let received = self.queue.receive_deferred(source, sequence, Mode::Delete, self.now);
            // An expired one is a dead letter now.
            if let Ok(delivery) = received {
                self.delivered(0, SubQueue::Main, &delivery);
            }
            if let Some(lock) = lock {
                self.queue.release_session(&lock, self.now).unwrap();
            }
        }
        while let Ok(Some((lock, _))) = self.queue.accept_session(None, Uuid::new_v4(), self.now) {
            self.clients[0].session = Some(lock);
            let before = self.gone.len();
            self.take_all(false);
            assert!(self.gone.len() > before, "a free session has a message");
        }
        self.take_all(false);
        self.take_all(true);
        // In the dead-letter queue too messages were deferred.
        let store = self.queue.messages(SubQueue::DeadLetter);
        let deferred: Vec<_> = store.deferred_from(0).map(|stored| stored.sequence).collect();
        for sequence in deferred {
            let source = SubQueue::DeadLetter.into();
            let received = self.queue.receive_deferred(source, sequence, Mode::Delete, self.now);
            self.delivered(0, SubQueue::DeadLetter, &received.unwrap());
        }
        assert_eq!(self.gone.len(), self.sent);
    }

    fn take_all(&mut self, dead: bool) {
        loop {
            let before = self.gone.len();
            self.receive(0, true, dead);
            if self.gone.len() == before {
                return;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_message_is_lost_doubled_or_out_of_order(
        requires_session in any::<bool>(),
        ops in prop::collection::vec(op(), 1..200),
    ) {
        let mut world = World::new(requires_session);
        for op in ops {
            world.meet(op);
            world.check();
        }
        world.drain();
    }
}
