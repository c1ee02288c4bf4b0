//! The messages of one queue or dead-letter queue: ready ones in order, and locked ones.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::{Message, Timestamp};

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
}

/// Why a message was dead-lettered, in Azure's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// `DeadLetterReason`
    pub reason: &'static str,
    /// `DeadLetterErrorDescription`
    pub description: String,
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

    fn is_named(&self, name: &str) -> bool {
        *self.message.broker.message_id == *name || self.sequence.to_string() == name
    }
}

/// No message of that name is held under that lock token: it expired, or never was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockLost;

#[derive(Debug)]
struct Locked {
    stored: Stored,
    until: Timestamp,
}

/// Ready and locked messages.
#[derive(Debug, Default)]
pub struct Store {
    ready: BTreeMap<u64, Stored>,
    lifetimes: BTreeSet<(Timestamp, u64)>,
    locked: HashMap<Uuid, Locked>,
    lock_ends: BTreeSet<(Timestamp, Uuid)>,
}

impl Store {
    /// Makes a message ready, at the place of its sequence number.
    pub fn put(&mut self, stored: Stored) {
        self.lifetimes.insert((stored.expires_at(), stored.sequence));
        self.ready.insert(stored.sequence, stored);
    }

    /// Takes the first ready message out and counts the delivery.
    pub fn take(&mut self) -> Option<Stored> {
        let (_, mut stored) = self.ready.pop_first()?;
        self.lifetimes.remove(&(stored.expires_at(), stored.sequence));
        stored.delivery_count += 1;
        Some(stored)
    }

    /// Locks the first ready message and counts the delivery.
    pub fn lock(&mut self, token: Uuid, until: Timestamp) -> Option<Stored> {
        let stored = self.take()?;
        self.lock_ends.insert((until, token));
        self.locked.insert(token, Locked { stored: stored.clone(), until });
        Some(stored)
    }

    /// Takes a locked message out.
    ///
    /// # Errors
    /// There is no such lock, or not on that message.
    pub fn unlock(&mut self, name: &str, token: Uuid) -> Result<Stored, LockLost> {
        if !self.locked.get(&token).is_some_and(|locked| locked.stored.is_named(name)) {
            return Err(LockLost);
        }
        let locked = self.locked.remove(&token).ok_or(LockLost)?;
        self.lock_ends.remove(&(locked.until, token));
        Ok(locked.stored)
    }

    /// Makes a lock last until `until`.
    ///
    /// # Errors
    /// There is no such lock, or not on that message.
    pub fn renew(&mut self, name: &str, token: Uuid, until: Timestamp) -> Result<(), LockLost> {
        let locked = self.locked.get_mut(&token).ok_or(LockLost)?;
        if !locked.stored.is_named(name) {
            return Err(LockLost);
        }
        self.lock_ends.remove(&(locked.until, token));
        self.lock_ends.insert((until, token));
        locked.until = until;
        Ok(())
    }

    /// Takes out one message whose lock has ended, with the moment when it did.
    pub fn take_unlocked(&mut self, now: Timestamp) -> Option<(Stored, Timestamp)> {
        let (until, token) = *self.lock_ends.first().filter(|(until, _)| *until <= now)?;
        self.lock_ends.pop_first();
        self.locked.remove(&token).map(|locked| (locked.stored, until))
    }

    /// Takes out one ready message whose lifetime has ended. A locked one is left alone.
    pub fn take_expired(&mut self, now: Timestamp) -> Option<Stored> {
        let (_, sequence) = *self.lifetimes.first().filter(|(end, _)| *end <= now)?;
        self.lifetimes.pop_first();
        self.ready.remove(&sequence)
    }

    /// When a lock or a lifetime ends next.
    #[must_use]
    pub fn next_change(&self) -> Timestamp {
        let lock = self.lock_ends.first().map_or(Timestamp::NEVER, |(until, _)| *until);
        let lifetime = self.lifetimes.first().map_or(Timestamp::NEVER, |(end, _)| *end);
        lock.min(lifetime)
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

    /// Ready messages in order.
    pub fn ready(&self) -> impl DoubleEndedIterator<Item = &Stored> {
        self.ready.values()
    }

    /// Locked messages in no order.
    pub fn locked(&self) -> impl Iterator<Item = &Stored> {
        self.locked.values().map(|locked| &locked.stored)
    }
}
