//! The messages of one queue or dead-letter queue: ready ones in order, locked ones, deferred ones.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::{Message, PropertyValue, Sessions, Timestamp};

/// A message in a queue.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Given in the order of acceptance, from 1.
    pub sequence: u64,
    /// What was sent.
    pub message: Arc<Message>,
    /// When it was, or will be, enqueued.
    pub enqueued_at: Timestamp,
    /// The lifetime that holds here: the shorter of the message's and the entity's.
    pub time_to_live: Duration,
    /// Deliveries so far.
    pub delivery_count: u32,
    /// Why it is in the dead-letter queue, if it is.
    pub dead_letter: Option<DeadLetter>,
    /// Properties that receivers changed or added.
    pub modified: Modified,
}

/// Properties with their new values.
pub type Modified = Vec<(Box<str>, PropertyValue)>;

/// Why a message was dead-lettered: in Azure's words, or in the receiver's, who may say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetter {
    /// `DeadLetterReason`
    pub reason: Option<Box<str>>,
    /// `DeadLetterErrorDescription`
    pub description: Option<Box<str>>,
}

impl Stored {
    /// When its lifetime ends. Dead-lettered messages have no end.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        match self.dead_letter {
            Some(_) => Timestamp::NEVER,
            None => self.enqueued_at + self.time_to_live,
        }
    }

    /// The session that it belongs to where sessions are kept.
    #[must_use]
    pub fn session(&self) -> &str {
        self.message.broker.session_id.as_deref().unwrap_or_default()
    }

    pub(super) fn modify(&mut self, modified: Modified) {
        for (name, value) in modified {
            self.modified.retain(|(other, _)| *other != name);
            self.modified.push((name, value));
        }
    }

    fn is_named(&self, name: &str) -> bool {
        *self.message.broker.message_id == *name || self.sequence.to_string() == name
    }
}

/// No message, or no session, is held under that lock: it expired, or never was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockLost;

/// What ends the lock on a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Its own time.
    Until(Timestamp),
    /// The lock on its session.
    Session,
}

#[derive(Debug)]
struct Locked {
    stored: Stored,
    hold: Hold,
    was_deferred: bool,
}

/// A message whose lock is over.
#[derive(Debug)]
pub struct Unlocked {
    /// The message.
    pub stored: Stored,
    /// It was received by its number, having been deferred.
    pub was_deferred: bool,
}

/// Ready, locked and deferred messages.
#[derive(Debug, Default)]
pub struct Store {
    ready: BTreeMap<u64, Stored>,
    lifetimes: BTreeSet<(Timestamp, u64)>,
    locked: HashMap<Uuid, Locked>,
    lock_ends: BTreeSet<(Timestamp, Uuid)>,
    deferred: BTreeMap<u64, Stored>,
    sessions: Option<Sessions>,
}

impl Store {
    /// An empty store, whose messages have sessions or not.
    #[must_use]
    pub fn new(has_sessions: bool) -> Self {
        Self { sessions: has_sessions.then(Sessions::default), ..Self::default() }
    }

    /// Makes a message ready, at the place of its sequence number.
    pub fn put(&mut self, stored: Stored) {
        if let Some(sessions) = &mut self.sessions {
            sessions.add_ready(stored.session(), stored.sequence);
        }
        self.lifetimes.insert((stored.expires_at(), stored.sequence));
        self.ready.insert(stored.sequence, stored);
    }

    /// Sets a message aside.
    pub fn defer(&mut self, stored: Stored) {
        self.deferred.insert(stored.sequence, stored);
    }

    /// Takes the first ready message out, of one session where there are sessions, and counts the
    /// delivery. Who holds no session gets nothing from a store that has them.
    pub fn take(&mut self, session: Option<&str>) -> Option<Stored> {
        let sequence = match (&self.sessions, session) {
            (Some(sessions), session) => sessions.first_ready(session?)?,
            (None, _) => *self.ready.first_key_value()?.0,
        };
        let mut stored = self.take_ready(sequence)?;
        stored.delivery_count = stored.delivery_count.saturating_add(1);
        Some(stored)
    }

    fn take_ready(&mut self, sequence: u64) -> Option<Stored> {
        let stored = self.ready.remove(&sequence)?;
        self.lifetimes.remove(&(stored.expires_at(), sequence));
        if let Some(sessions) = &mut self.sessions {
            sessions.remove_ready(stored.session(), sequence);
        }
        Some(stored)
    }

    /// A deferred message.
    #[must_use]
    pub fn deferred(&self, sequence: u64) -> Option<&Stored> {
        self.deferred.get(&sequence)
    }

    /// Takes a deferred message out and counts the delivery.
    pub fn take_deferred(&mut self, sequence: u64) -> Option<Stored> {
        let mut stored = self.deferred.remove(&sequence)?;
        stored.delivery_count = stored.delivery_count.saturating_add(1);
        Some(stored)
    }

    /// Keeps a message that was taken out under a lock.
    pub fn lock(&mut self, stored: Stored, token: Uuid, hold: Hold, was_deferred: bool) {
        match (hold, &mut self.sessions) {
            (Hold::Until(until), _) => drop(self.lock_ends.insert((until, token))),
            (Hold::Session, Some(sessions)) => sessions.add_received(stored.session(), token),
            (Hold::Session, None) => {}
        }
        self.locked.insert(token, Locked { stored, hold, was_deferred });
    }

    /// Whether that sequence number or message id is locked under the token.
    #[must_use]
    pub fn is_locked(&self, name: &str, token: Uuid) -> bool {
        self.locked.get(&token).is_some_and(|locked| locked.stored.is_named(name))
    }

    /// Takes a locked message out.
    ///
    /// # Errors
    /// There is no such lock.
    pub fn unlock(&mut self, token: Uuid) -> Result<Unlocked, LockLost> {
        let Locked { stored, hold, was_deferred } = self.locked.remove(&token).ok_or(LockLost)?;
        match (hold, &mut self.sessions) {
            (Hold::Until(until), _) => drop(self.lock_ends.remove(&(until, token))),
            (Hold::Session, Some(sessions)) => sessions.remove_received(stored.session(), token),
            (Hold::Session, None) => {}
        }
        Ok(Unlocked { stored, was_deferred })
    }

    /// Makes the lock on a message last until `until`.
    ///
    /// # Errors
    /// There is no such lock, or it is that of a session.
    pub fn renew(&mut self, token: Uuid, until: Timestamp) -> Result<(), LockLost> {
        let locked = self.locked.get_mut(&token).ok_or(LockLost)?;
        let Hold::Until(before) = locked.hold else { return Err(LockLost) };
        self.lock_ends.remove(&(before, token));
        self.lock_ends.insert((until, token));
        locked.hold = Hold::Until(until);
        Ok(())
    }

    /// Takes out one message whose own lock has ended, with the moment when it did.
    pub fn take_unlocked(&mut self, now: Timestamp) -> Option<(Unlocked, Timestamp)> {
        let (until, token) = *self.lock_ends.first().filter(|(until, _)| *until <= now)?;
        self.unlock(token).ok().map(|unlocked| (unlocked, until))
    }

    /// Takes out one ready message whose lifetime has ended. A locked one is left alone.
    pub fn take_expired(&mut self, now: Timestamp) -> Option<Stored> {
        let (_, sequence) = *self.lifetimes.first().filter(|(end, _)| *end <= now)?;
        self.take_ready(sequence)
    }

    /// When a lock or a lifetime ends next.
    #[must_use]
    pub fn next_change(&self) -> Timestamp {
        let lock = self.lock_ends.first().map_or(Timestamp::NEVER, |(until, _)| *until);
        let lifetime = self.lifetimes.first().map_or(Timestamp::NEVER, |(end, _)| *end);
        let session = self.sessions.as_ref().map_or(Timestamp::NEVER, Sessions::next_end);
        lock.min(lifetime).min(session)
    }

    /// The sessions, where messages have them.
    #[must_use]
    pub const fn sessions(&self) -> Option<&Sessions> {
        self.sessions.as_ref()
    }

    /// The sessions, to be changed.
    pub const fn sessions_mut(&mut self) -> Option<&mut Sessions> {
        self.sessions.as_mut()
    }

    /// How many messages are ready.
    #[must_use]
    pub fn ready_count(&self) -> usize {
        self.ready.len()
    }

    /// How many messages are locked.
    #[must_use]
    pub fn locked_count(&self) -> usize {
        self.locked.len()
    }

    /// How many messages are deferred.
    #[must_use]
    pub fn deferred_count(&self) -> usize {
        self.deferred.len()
    }

    /// Ready messages in order, from a sequence number on.
    pub fn ready(&self, from: u64) -> impl DoubleEndedIterator<Item = &Stored> {
        self.ready.range(from..).map(|(_, stored)| stored)
    }

    /// Deferred messages in order, from a sequence number on.
    pub fn deferred_from(&self, from: u64) -> impl DoubleEndedIterator<Item = &Stored> {
        self.deferred.range(from..).map(|(_, stored)| stored)
    }

    /// Locked messages in no order, each with the end of its lock.
    pub fn locked_until(&self) -> impl Iterator<Item = (&Stored, Timestamp)> {
        self.locked.values().map(|locked| {
            let until = match locked.hold {
                Hold::Until(until) => until,
                Hold::Session => {
                    let sessions = self.sessions.as_ref();
                    let until = sessions.and_then(|all| all.locked_until(locked.stored.session()));
                    until.unwrap_or(Timestamp::NEVER)
                }
            };
            (&locked.stored, until)
        })
    }

    /// Locked messages in no order.
    pub fn locked(&self) -> impl Iterator<Item = &Stored> {
        self.locked.values().map(|locked| &locked.stored)
    }
}
