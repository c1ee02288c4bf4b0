//! The sessions of one queue: which have messages, who holds them, what they remember. Each change
//! keeps the indexes, so that the next free session and the next lock to end are found at once.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use uuid::Uuid;

use super::{LockLost, Timestamp};

/// The lock that a receiver holds on a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionLock {
    /// The session.
    pub id: Box<str>,
    /// Known to the holder alone.
    pub owner: Uuid,
}

/// Another receiver holds the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionHeld;

/// The sessions of a queue. One that has no message, no holder and no state is forgotten.
#[derive(Debug, Default)]
pub struct Sessions {
    by_id: HashMap<Box<str>, Session>,
    /// Those that no one holds and that have a message, by its sequence number.
    free: BTreeSet<(u64, Box<str>)>,
    lock_ends: BTreeSet<(Timestamp, Box<str>)>,
}

#[derive(Debug, Default)]
struct Session {
    ready: BTreeSet<u64>,
    /// Tokens of the messages that the holder has received and not settled.
    received: BTreeSet<Uuid>,
    lock: Option<(Uuid, Timestamp)>,
    state: Option<(Bytes, Timestamp)>,
}

impl Session {
    fn first_if_free(&self) -> Option<u64> {
        if self.lock.is_some() { None } else { self.ready.first().copied() }
    }

    fn is_forgettable(&self) -> bool {
        self.ready.is_empty() && self.lock.is_none() && self.state.is_none()
    }
}

impl Sessions {
    /// The only way to change a session.
    fn change<T>(&mut self, id: &str, change: impl FnOnce(&mut Session) -> T) -> T {
        if !self.by_id.contains_key(id) {
            self.by_id.insert(id.into(), Session::default());
        }
        let session = self.by_id.entry(id.into()).or_default();
        let before = (session.first_if_free(), session.lock);
        let result = change(session);
        let after = (session.first_if_free(), session.lock);
        if session.is_forgettable() {
            self.by_id.remove(id);
        }
        if before.0 != after.0 {
            before.0.map(|first| self.free.remove(&(first, id.into())));
            after.0.map(|first| self.free.insert((first, id.into())));
        }
        if before.1 != after.1 {
            before.1.map(|(_, until)| self.lock_ends.remove(&(until, id.into())));
            after.1.map(|(_, until)| self.lock_ends.insert((until, id.into())));
        }
        result
    }

    /// A message of the session is ready.
    pub fn add_ready(&mut self, id: &str, sequence: u64) {
        self.change(id, |session| session.ready.insert(sequence));
    }

    /// A message of the session is not ready any more.
    pub fn remove_ready(&mut self, id: &str, sequence: u64) {
        self.change(id, |session| session.ready.remove(&sequence));
    }

    /// The first ready message of a session.
    #[must_use]
    pub fn first_ready(&self, id: &str) -> Option<u64> {
        self.by_id.get(id)?.ready.first().copied()
    }

    /// Notes that the holder received a message under a token.
    pub fn add_received(&mut self, id: &str, token: Uuid) {
        self.change(id, |session| session.received.insert(token));
    }

    /// Notes that the message of a token was settled.
    pub fn remove_received(&mut self, id: &str, token: Uuid) {
        self.change(id, |session| session.received.remove(&token));
    }

    /// Locks a session, which need not have messages.
    ///
    /// # Errors
    /// Another receiver holds it.
    pub fn accept(
        &mut self,
        id: &str,
        owner: Uuid,
        until: Timestamp,
    ) -> Result<SessionLock, SessionHeld> {
        if self.by_id.get(id).is_some_and(|session| session.lock.is_some()) {
            return Err(SessionHeld);
        }
        self.change(id, |session| session.lock = Some((owner, until)));
        Ok(SessionLock { id: id.into(), owner })
    }

    /// Locks the free session whose first message is the oldest.
    pub fn accept_next(&mut self, owner: Uuid, until: Timestamp) -> Option<SessionLock> {
        let (_, id) = self.free.first()?.clone();
        self.accept(&id, owner, until).ok()
    }

    /// When a lock ends.
    ///
    /// # Errors
    /// It has ended already.
    pub fn held_until(&self, lock: &SessionLock) -> Result<Timestamp, LockLost> {
        let held = self.by_id.get(&lock.id).and_then(|session| session.lock);
        held.filter(|(owner, _)| *owner == lock.owner).map(|(_, until)| until).ok_or(LockLost)
    }

    /// Until when someone holds a session.
    #[must_use]
    pub fn locked_until(&self, id: &str) -> Option<Timestamp> {
        self.by_id.get(id)?.lock.map(|(_, until)| until)
    }

    /// Makes a lock last until `until`.
    ///
    /// # Errors
    /// It has ended already.
    pub fn renew(&mut self, lock: &SessionLock, until: Timestamp) -> Result<(), LockLost> {
        self.held_until(lock)?;
        self.change(&lock.id, |session| session.lock = Some((lock.owner, until)));
        Ok(())
    }

    /// Ends a lock. Says which messages its holder had received and not settled.
    ///
    /// # Errors
    /// It has ended already.
    pub fn release(&mut self, lock: &SessionLock) -> Result<BTreeSet<Uuid>, LockLost> {
        self.held_until(lock)?;
        Ok(self.end(&lock.id))
    }

    /// Ends a lock whose time has come, as [`Self::release`] does, with the moment when it did.
    pub fn take_ended(&mut self, now: Timestamp) -> Option<(BTreeSet<Uuid>, Timestamp)> {
        let (until, id) = self.lock_ends.first().filter(|(until, _)| *until <= now)?.clone();
        Some((self.end(&id), until))
    }

    fn end(&mut self, id: &str) -> BTreeSet<Uuid> {
        self.change(id, |session| {
            session.lock = None;
            std::mem::take(&mut session.received)
        })
    }

    /// What the holder has the session remember.
    ///
    /// # Errors
    /// The lock has ended.
    pub fn state(&self, lock: &SessionLock) -> Result<Option<Bytes>, LockLost> {
        self.held_until(lock)?;
        Ok(self.by_id.get(&lock.id).and_then(|session| Some(session.state.as_ref()?.0.clone())))
    }

    /// Has the session remember something, or nothing, from `now` on.
    ///
    /// # Errors
    /// The lock has ended.
    pub fn set_state(
        &mut self,
        lock: &SessionLock,
        state: Option<Bytes>,
        now: Timestamp,
    ) -> Result<(), LockLost> {
        self.held_until(lock)?;
        self.change(&lock.id, |session| session.state = state.map(|state| (state, now)));
        Ok(())
    }

    /// When the next lock ends.
    #[must_use]
    pub fn next_end(&self) -> Timestamp {
        self.lock_ends.first().map_or(Timestamp::NEVER, |(until, _)| *until)
    }

    /// Every session, by id.
    #[must_use]
    pub fn list(&self) -> Vec<SessionView<'_>> {
        let views = self.by_id.iter().map(|(id, session)| SessionView {
            id,
            ready: session.ready.len(),
            received: session.received.len(),
            locked_until: session.lock.map(|(_, until)| until),
            state_bytes: session.state.as_ref().map(|(state, _)| state.len()),
            state_set_at: session.state.as_ref().map(|(_, at)| *at),
        });
        let mut all: Vec<_> = views.collect();
        all.sort_unstable_by_key(|view| view.id);
        all
    }
}

/// What there is to see of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionView<'a> {
    /// Its id.
    pub id: &'a str,
    /// Messages that wait.
    pub ready: usize,
    /// Messages that its holder has received and not settled.
    pub received: usize,
    /// Until when someone holds it.
    pub locked_until: Option<Timestamp>,
    /// How much state it has.
    pub state_bytes: Option<usize>,
    /// When that was set.
    pub state_set_at: Option<Timestamp>,
}
