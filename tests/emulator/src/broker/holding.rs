//! Holding a session: whoever does alone receives its messages, in their order.

use bytes::Bytes;
use uuid::Uuid;

use super::{LockLost, Queue, SessionHeld, SessionLock, Sessions, SubQueue, Timestamp};

impl Queue {
    fn sessions(&mut self, now: Timestamp) -> Result<&mut Sessions, LockLost> {
        self.advance(now);
        self.main.sessions_mut().ok_or(LockLost)
    }

    /// Locks a session by its id, or the next free one that has a message, and says until when.
    /// `None` if there is no free one, or if the queue has no sessions.
    ///
    /// # Errors
    /// Another receiver holds the session.
    pub fn accept_session(
        &mut self,
        id: Option<&str>,
        owner: Uuid,
        now: Timestamp,
    ) -> Result<Option<(SessionLock, Timestamp)>, SessionHeld> {
        let until = now + self.settings.lock_duration;
        let Ok(sessions) = self.sessions(now) else { return Ok(None) };
        let lock = match id {
            Some(id) => Some(sessions.accept(id, owner, until)?),
            None => sessions.accept_next(owner, until),
        };
        Ok(lock.map(|lock| (lock, until)))
    }

    /// Until when a session is held.
    ///
    /// # Errors
    /// The lock has ended.
    pub fn session_held_until(
        &mut self,
        lock: &SessionLock,
        now: Timestamp,
    ) -> Result<Timestamp, LockLost> {
        self.sessions(now)?.held_until(lock)
    }

    /// Makes the lock on a session last a full lock duration from `now`, and says until when.
    ///
    /// # Errors
    /// The lock has ended.
    pub fn renew_session(
        &mut self,
        lock: &SessionLock,
        now: Timestamp,
    ) -> Result<Timestamp, LockLost> {
        let until = now + self.settings.lock_duration;
        self.sessions(now)?.renew(lock, until)?;
        Ok(until)
    }

    /// Gives a session up. What its holder received and did not settle goes back, and those
    /// deliveries do not count: they do only where the lock runs out.
    ///
    /// # Errors
    /// The lock has ended.
    pub fn release_session(&mut self, lock: &SessionLock, now: Timestamp) -> Result<(), LockLost> {
        for token in self.sessions(now)?.release(lock)? {
            if let Ok(unlocked) = self.main.unlock(token) {
                self.take_back(SubQueue::Main, unlocked, now);
            }
        }
        Ok(())
    }

    /// Ends the lock on a session as if its time had come.
    ///
    /// # Errors
    /// The lock has ended.
    pub fn lose_session(&mut self, lock: &SessionLock, now: Timestamp) -> Result<(), LockLost> {
        for token in self.sessions(now)?.release(lock)? {
            if let Ok(unlocked) = self.main.unlock(token) {
                self.give_back(SubQueue::Main, unlocked, now);
            }
        }
        Ok(())
    }

    /// What a session remembers.
    ///
    /// # Errors
    /// The lock has ended.
    pub fn session_state(
        &mut self,
        lock: &SessionLock,
        now: Timestamp,
    ) -> Result<Option<Bytes>, LockLost> {
        self.sessions(now)?.state(lock)
    }

    /// Has a session remember something, or nothing.
    ///
    /// # Errors
    /// The lock has ended.
    pub fn set_session_state(
        &mut self,
        lock: &SessionLock,
        state: Option<Bytes>,
        now: Timestamp,
    ) -> Result<(), LockLost> {
        self.sessions(now)?.set_state(lock, state, now)
    }
}
