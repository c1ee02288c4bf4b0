//! A topic: duplicate detection and a lifetime limit in front of its subscriptions.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Acceptance, CompactId, DuplicateHistory, Ledger, Message, Timestamp};

/// The settings of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSettings {
    /// Lifetime of a message that names none, and the longest that one may name.
    pub default_time_to_live: Duration,
    /// Window of duplicate detection; `None` if it is off.
    pub duplicate_window: Option<Duration>,
}

/// A topic. Messages are in the queues of its subscriptions.
#[derive(Debug)]
pub struct Topic {
    settings: TopicSettings,
    duplicates: Option<DuplicateHistory>,
    ledger: Ledger,
    last_sequence: u64,
    scheduled: BTreeMap<u64, (Timestamp, Copies)>,
}

/// Where the copies of a message are: the index of the subscription and the number there.
pub(super) type Copies = Vec<(usize, u64)>;

impl Topic {
    /// A topic that has seen nothing.
    #[must_use]
    pub fn new(settings: TopicSettings) -> Self {
        let duplicates = settings.duplicate_window.map(DuplicateHistory::new);
        Self {
            settings,
            duplicates,
            ledger: Ledger::default(),
            last_sequence: 0,
            scheduled: BTreeMap::new(),
        }
    }

    /// Accepts a message, unless it is a duplicate.
    pub fn send(&mut self, message: &Message, now: Timestamp) -> Acceptance {
        let id = CompactId::from(&*message.broker.message_id);
        if let Some(history) = &mut self.duplicates
            && !history.is_new(&id, now)
        {
            self.ledger.dropped_duplicate();
            return Acceptance::Duplicate;
        }
        self.ledger.stored(id);
        self.last_sequence += 1;
        Acceptance::Stored(self.last_sequence)
    }

    /// Notes where the copies of a scheduled message are, for whoever cancels it.
    pub fn remember_scheduled(&mut self, sequence: u64, due: Timestamp, copies: Copies) {
        self.scheduled.insert(sequence, (due, copies));
    }

    /// Where the copies of a scheduled message are, if its time has not come.
    pub fn take_scheduled(&mut self, sequence: u64, now: Timestamp) -> Option<Copies> {
        self.scheduled.retain(|_, (due, _)| *due > now);
        self.scheduled.remove(&sequence).map(|(_, copies)| copies)
    }

    /// Forgets every id and count.
    pub fn clear(&mut self) {
        self.ledger = Ledger::default();
        self.scheduled.clear();
        if let Some(history) = &mut self.duplicates {
            history.clear();
        }
    }

    /// The topic's settings.
    #[must_use]
    pub const fn settings(&self) -> &TopicSettings {
        &self.settings
    }

    /// What was ever accepted.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}
