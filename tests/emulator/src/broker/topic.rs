//! A topic: duplicate detection and a lifetime limit in front of its subscriptions.

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
}

impl Topic {
    /// A topic that has seen nothing.
    #[must_use]
    pub fn new(settings: TopicSettings) -> Self {
        let duplicates = settings.duplicate_window.map(DuplicateHistory::new);
        Self { settings, duplicates, ledger: Ledger::default() }
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
        Acceptance::Stored
    }

    /// Forgets every id and count.
    pub fn clear(&mut self) {
        self.ledger = Ledger::default();
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
