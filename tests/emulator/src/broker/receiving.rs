//! Receiving from a queue, settling, browsing.

use uuid::Uuid;

use super::store::{DeadLetter, Hold, LockLost, Modified, Store, Stored, Unlocked};
use super::{Delivery, Queue, SessionLock, SubQueue, Timestamp};

/// Where a receiver takes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'a> {
    /// Which of the two queues.
    pub part: SubQueue,
    /// The session that the receiver holds.
    pub session: Option<&'a SessionLock>,
}

impl From<SubQueue> for Source<'_> {
    fn from(part: SubQueue) -> Self {
        Self { part, session: None }
    }
}

/// How a message is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is gone from the queue.
    Delete,
    /// It is locked under this token.
    Lock(Uuid),
}

/// What a receiver makes of a message that it holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Settlement {
    /// It is done with.
    Complete,
    /// It goes back, and the delivery counts.
    Abandon(Modified),
    /// It goes back as if it had not been delivered.
    Release,
    /// It is set aside, to be received by its number.
    Defer(Modified),
    /// It goes to the dead-letter queue.
    DeadLetter(DeadLetter, Modified),
}

impl Settlement {
    /// Its name in the admin API.
    #[must_use]
    pub const fn operation(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Abandon(_) => "abandon",
            Self::Release => "release",
            Self::Defer(_) => "defer",
            Self::DeadLetter(..) => "dead_letter",
        }
    }
}

/// Why a message cannot be settled so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettleError {
    /// There is no such lock.
    LockLost,
    /// It is in the dead-letter queue already.
    InDeadLetterQueue,
}

impl From<LockLost> for SettleError {
    fn from(LockLost: LockLost) -> Self {
        Self::LockLost
    }
}

/// Why a deferred message cannot be received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeferredError {
    /// No message of that number is deferred here.
    NotFound,
    /// The receiver's session is lost.
    LockLost,
}

/// What state a message is in for those who browse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageState {
    /// Ready or locked.
    Active,
    /// Set aside by a receiver.
    Deferred,
    /// Its time has not come.
    Scheduled,
}

impl MessageState {
    /// Microsoft's name of it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Deferred => "Deferred",
            Self::Scheduled => "Scheduled",
        }
    }
}

impl Queue {
    /// Hands out the first message.
    ///
    /// # Errors
    /// The receiver's session is lost.
    pub fn receive(
        &mut self,
        source: Source<'_>,
        mode: Mode,
        now: Timestamp,
    ) -> Result<Option<Delivery>, LockLost> {
        self.advance(now);
        let session_end = self.session_end(source)?;
        let session = source.session.map(|lock| &*lock.id);
        let taken = self.part(source.part).take(session);
        Ok(taken.map(|stored| self.hand_out(source.part, stored, mode, session_end, false, now)))
    }

    /// Hands out a deferred message by its number.
    ///
    /// # Errors
    /// There is no such message, or the receiver's session is lost.
    pub fn receive_deferred(
        &mut self,
        source: Source<'_>,
        sequence: u64,
        mode: Mode,
        now: Timestamp,
    ) -> Result<Delivery, DeferredError> {
        self.advance(now);
        let end = self.session_end(source).map_err(|LockLost| DeferredError::LockLost)?;
        let session = source.session.map(|lock| &*lock.id);
        let store = self.part(source.part);
        let has_sessions = store.sessions().is_some();
        let found = store.deferred(sequence).ok_or(DeferredError::NotFound)?;
        if has_sessions && session != Some(found.session()) {
            return Err(DeferredError::NotFound);
        }
        let expired = found.expires_at() <= now;
        let stored = store.take_deferred(sequence).ok_or(DeferredError::NotFound)?;
        if expired {
            self.expire(Stored { delivery_count: stored.delivery_count - 1, ..stored });
            return Err(DeferredError::NotFound);
        }
        Ok(self.hand_out(source.part, stored, mode, end, true, now))
    }

    fn session_end(&self, source: Source<'_>) -> Result<Option<Timestamp>, LockLost> {
        let Some(lock) = source.session else { return Ok(None) };
        let sessions = self.messages(source.part).sessions().ok_or(LockLost)?;
        sessions.held_until(lock).map(Some)
    }

    fn hand_out(
        &mut self,
        part: SubQueue,
        stored: Stored,
        mode: Mode,
        session_end: Option<Timestamp>,
        was_deferred: bool,
        now: Timestamp,
    ) -> Delivery {
        let Mode::Lock(token) = mode else { return Delivery { stored, lock: None } };
        let own_end = now + self.settings.lock_duration;
        let (hold, until) = match session_end {
            Some(until) => (Hold::Session, until),
            None => (Hold::Until(own_end), own_end),
        };
        self.part(part).lock(stored.clone(), token, hold, was_deferred);
        Delivery { stored, lock: Some((token, until)) }
    }

    /// Settles a locked message.
    ///
    /// # Errors
    /// The lock has ended or never was, or the message cannot be settled so.
    pub fn settle(
        &mut self,
        part: SubQueue,
        token: Uuid,
        settlement: Settlement,
        now: Timestamp,
    ) -> Result<(), SettleError> {
        self.advance(now);
        if part == SubQueue::DeadLetter && matches!(settlement, Settlement::DeadLetter(..)) {
            return Err(SettleError::InDeadLetterQueue);
        }
        let mut unlocked = self.part(part).unlock(token)?;
        match settlement {
            Settlement::Complete => {}
            Settlement::Abandon(modified) => {
                unlocked.stored.modify(modified);
                self.give_back(part, unlocked, now);
            }
            Settlement::Release => self.take_back(part, unlocked, now),
            Settlement::Defer(modified) => {
                unlocked.stored.modify(modified);
                self.part(part).defer(unlocked.stored);
            }
            Settlement::DeadLetter(why, modified) => {
                unlocked.stored.modify(modified);
                unlocked.stored.dead_letter = Some(why);
                self.dead_letter.put(unlocked.stored);
            }
        }
        Ok(())
    }

    /// Takes back a message as if it had not been delivered.
    pub(super) fn take_back(&mut self, part: SubQueue, mut unlocked: Unlocked, now: Timestamp) {
        unlocked.stored.delivery_count = unlocked.stored.delivery_count.saturating_sub(1);
        self.give_back(part, unlocked, now);
    }

    /// Whether a message of that sequence number or message id is locked under the token.
    #[must_use]
    pub fn is_locked(&self, part: SubQueue, name: &str, token: Uuid) -> bool {
        self.messages(part).is_locked(name, token)
    }

    /// Makes the lock on a message last a full lock duration from `now`, and says until when.
    ///
    /// # Errors
    /// The lock has ended or never was, or it is that of a session.
    pub fn renew(
        &mut self,
        part: SubQueue,
        token: Uuid,
        now: Timestamp,
    ) -> Result<Timestamp, LockLost> {
        self.advance(now);
        let until = now + self.settings.lock_duration;
        self.part(part).renew(token, until)?;
        Ok(until)
    }

    /// Ends a lock as if its time had come.
    ///
    /// # Errors
    /// The lock has ended or never was.
    pub fn lose_lock(
        &mut self,
        part: SubQueue,
        token: Uuid,
        now: Timestamp,
    ) -> Result<(), LockLost> {
        self.advance(now);
        let unlocked = self.part(part).unlock(token)?;
        self.give_back(part, unlocked, now);
        Ok(())
    }

    /// Up to `count` messages from a number on, none of them touched; of one session if it is named.
    pub fn browse(
        &mut self,
        part: SubQueue,
        from: u64,
        count: usize,
        session: Option<&str>,
        now: Timestamp,
    ) -> Vec<(Stored, MessageState)> {
        self.advance(now);
        let wanted = |stored: &&Stored| {
            stored.sequence >= from && session.is_none_or(|id| stored.session() == id)
        };
        let store: &Store = self.messages(part);
        let mut found: Vec<(&Stored, MessageState)> = Vec::new();
        let active = store.ready(from).filter(wanted).take(count);
        found.extend(active.map(|stored| (stored, MessageState::Active)));
        let locked = store.locked().filter(wanted);
        found.extend(locked.map(|stored| (stored, MessageState::Active)));
        let deferred = store.deferred_from(from).filter(wanted).take(count);
        found.extend(deferred.map(|stored| (stored, MessageState::Deferred)));
        if part == SubQueue::Main {
            let scheduled = self.scheduled.from(from).filter(wanted).take(count);
            found.extend(scheduled.map(|stored| (stored, MessageState::Scheduled)));
        }
        found.sort_unstable_by_key(|(stored, _)| stored.sequence);
        found.truncate(count);
        found.into_iter().map(|(stored, state)| (stored.clone(), state)).collect()
    }
}
