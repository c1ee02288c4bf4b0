//! Messages whose time has not come.

use std::collections::{BTreeMap, BTreeSet};

use super::{Stored, Timestamp};

/// Scheduled messages, found by number and by time.
#[derive(Debug, Default)]
pub struct Schedule {
    messages: BTreeMap<u64, (Timestamp, Stored)>,
    due: BTreeSet<(Timestamp, u64)>,
}

impl Schedule {
    /// Keeps a message until `due`.
    pub fn insert(&mut self, due: Timestamp, stored: Stored) {
        self.due.insert((due, stored.sequence));
        self.messages.insert(stored.sequence, (due, stored));
    }

    /// Takes out a message whose time has come.
    pub fn take_due(&mut self, now: Timestamp) -> Option<Stored> {
        let (_, sequence) = *self.due.first().filter(|(due, _)| *due <= now)?;
        self.take(sequence)
    }

    /// Takes out a message by its number.
    pub fn take(&mut self, sequence: u64) -> Option<Stored> {
        let (due, stored) = self.messages.remove(&sequence)?;
        self.due.remove(&(due, sequence));
        Some(stored)
    }

    /// When the next time comes.
    #[must_use]
    pub fn next_due(&self) -> Timestamp {
        self.due.first().map_or(Timestamp::NEVER, |(due, _)| *due)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Soonest first.
    pub fn soonest(&self) -> impl DoubleEndedIterator<Item = &Stored> {
        self.due.iter().filter_map(|(_, sequence)| Some(&self.messages.get(sequence)?.1))
    }

    /// By number, from one on.
    pub fn from(&self, sequence: u64) -> impl Iterator<Item = &Stored> {
        self.messages.range(sequence..).map(|(_, (_, stored))| stored)
    }
}
