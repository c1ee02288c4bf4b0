//! A queue, or a subscription, with its dead-letter queue.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::schedule::Schedule;
use super::store::{DeadLetter, Store, Stored, Unlocked};
use super::{CompactId, DuplicateHistory, Ledger, Message, RuleFailure, Timestamp};

/// The settings of a queue or subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// Expired messages go to the dead-letter queue instead of nowhere.
    pub dead_lettering_on_expiration: bool,
    /// Lifetime of a message that names none, and the longest that one may name.
    pub default_time_to_live: Duration,
    /// Window of duplicate detection; `None` if it is off.
    pub duplicate_window: Option<Duration>,
    /// How long a lock lasts.
    pub lock_duration: Duration,
    /// Deliveries after which a message is dead-lettered.
    pub max_delivery_count: u32,
    /// Messages must have a session.
    pub requires_session: bool,
}

/// Which of the two queues of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubQueue {
    /// The queue itself.
    Main,
    /// Its dead-letter queue.
    DeadLetter,
}

/// What became of a message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It was stored under this number, which a scheduled message keeps until its time.
    Stored(u64),
    /// Its id was seen within the window of duplicate detection; it was dropped.
    Duplicate,
}

/// A message handed to a receiver.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The message with its place in the queue.
    pub stored: Stored,
    /// The lock and its end, unless the message is gone from the queue.
    pub lock: Option<(Uuid, Timestamp)>,
}

/// A queue.
#[derive(Debug)]
pub struct Queue {
    pub(super) settings: QueueSettings,
    last_sequence: u64,
    pub(super) scheduled: Schedule,
    pub(super) main: Store,
    pub(super) dead_letter: Store,
    duplicates: Option<DuplicateHistory>,
    ledger: Ledger,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(settings: QueueSettings) -> Self {
        let duplicates = settings.duplicate_window.map(DuplicateHistory::new);
        Self {
            last_sequence: 0,
            scheduled: Schedule::default(),
            main: Store::new(settings.requires_session),
            dead_letter: Store::default(),
            duplicates,
            ledger: Ledger::default(),
            settings,
        }
    }

    /// Accepts a message, unless it is a duplicate.
    pub fn send(&mut self, message: Arc<Message>, now: Timestamp) -> Acceptance {
        let id = CompactId::from(&*message.broker.message_id);
        if let Some(history) = &mut self.duplicates
            && !history.is_new(&id, now)
        {
            self.ledger.dropped_duplicate();
            return Acceptance::Duplicate;
        }
        Acceptance::Stored(self.store(message, id, Duration::MAX, now))
    }

    /// Takes a message from a topic, whose own lifetime limit holds too, and says its number.
    pub fn forward(&mut self, message: Arc<Message>, limit: Duration, now: Timestamp) -> u64 {
        let id = CompactId::from(&*message.broker.message_id);
        self.store(message, id, limit, now)
    }

    /// Takes a message from a topic that a rule could not be evaluated for.
    pub fn forward_to_dead_letter(
        &mut self,
        message: Arc<Message>,
        failure: &RuleFailure,
        limit: Duration,
        now: Timestamp,
    ) {
        let id = CompactId::from(&*message.broker.message_id);
        let stored = self.admit(message, id, limit, now);
        self.bury(stored, "FilterException", &failure.to_string());
    }

    fn store(
        &mut self,
        message: Arc<Message>,
        id: CompactId,
        limit: Duration,
        now: Timestamp,
    ) -> u64 {
        let stored = self.admit(message, id, limit, now);
        let sequence = stored.sequence;
        let broker = &stored.message.broker;
        let due = broker.scheduled_enqueue_time.filter(|due| *due > now);
        let sessionless = self.settings.requires_session && broker.session_id.is_none();
        match due {
            // Only a topic gets here without a session: a queue's sender is refused.
            _ if sessionless => self.bury(
                stored,
                "Session ID is null.",
                "Session enabled entity doesn't allow a message whose session identifier is null.",
            ),
            Some(due) => self.scheduled.insert(due, stored),
            None => self.main.put(stored),
        }
        sequence
    }

    /// Gives a message its number.
    fn admit(
        &mut self,
        message: Arc<Message>,
        id: CompactId,
        limit: Duration,
        now: Timestamp,
    ) -> Stored {
        // Else a queue that no one receives from would keep what has long expired.
        self.advance(now);
        self.ledger.stored(id);
        self.last_sequence += 1;
        let own = message.broker.time_to_live.unwrap_or(Duration::MAX);
        let due = message.broker.scheduled_enqueue_time.filter(|due| *due > now);
        Stored {
            sequence: self.last_sequence,
            enqueued_at: due.unwrap_or(now),
            time_to_live: own.min(self.settings.default_time_to_live).min(limit),
            delivery_count: 0,
            dead_letter: None,
            modified: Vec::new(),
            message,
        }
    }

    fn bury(&mut self, mut stored: Stored, reason: &str, description: &str) {
        let (reason, description) = (Some(reason.into()), Some(description.into()));
        stored.dead_letter = Some(DeadLetter { reason, description });
        self.dead_letter.put(stored);
    }

    /// Brings the queue to `now`: scheduled messages, ended locks, ended lifetimes.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some(mut stored) = self.scheduled.take_due(now) {
            // As in Azure: the number it had while scheduled is gone, it queues up behind the others.
            self.last_sequence += 1;
            stored.sequence = self.last_sequence;
            self.main.put(stored);
        }
        for part in [SubQueue::Main, SubQueue::DeadLetter] {
            while let Some((unlocked, until)) = self.part(part).take_unlocked(now) {
                self.give_back(part, unlocked, until);
            }
            while let Some((tokens, until)) =
                self.part(part).sessions_mut().and_then(|sessions| sessions.take_ended(now))
            {
                for token in tokens {
                    if let Ok(unlocked) = self.part(part).unlock(token) {
                        self.give_back(part, unlocked, until);
                    }
                }
            }
        }
        while let Some(stored) = self.main.take_expired(now) {
            self.expire(stored);
        }
    }

    /// Takes back a message that was delivered and not settled for good.
    pub(super) fn give_back(&mut self, part: SubQueue, unlocked: Unlocked, now: Timestamp) {
        let Unlocked { stored, was_deferred } = unlocked;
        let is_main = part == SubQueue::Main;
        // A deferred one is not held against its lifetime until someone asks for it.
        if is_main && !was_deferred && stored.expires_at() <= now {
            self.expire(stored);
        } else if is_main && stored.delivery_count >= self.settings.max_delivery_count {
            let attempts = stored.delivery_count;
            self.bury(
                stored,
                "MaxDeliveryCountExceeded",
                &format!("Message could not be consumed after {attempts} delivery attempts."),
            );
        } else if was_deferred {
            self.part(part).defer(stored);
        } else {
            self.part(part).put(stored);
        }
    }

    pub(super) fn expire(&mut self, stored: Stored) {
        if self.settings.dead_lettering_on_expiration {
            self.bury(stored, "TTLExpiredException", "The message expired and was dead lettered.");
        }
    }

    pub(super) const fn part(&mut self, part: SubQueue) -> &mut Store {
        match part {
            SubQueue::Main => &mut self.main,
            SubQueue::DeadLetter => &mut self.dead_letter,
        }
    }

    /// Takes a scheduled message back. False if there is none of that number.
    pub fn cancel(&mut self, sequence: u64, now: Timestamp) -> bool {
        self.advance(now);
        self.scheduled.take(sequence).is_some()
    }

    /// When time alone changes the queue next.
    #[must_use]
    pub fn next_change(&self) -> Timestamp {
        let scheduled = self.scheduled.next_due();
        scheduled.min(self.main.next_change()).min(self.dead_letter.next_change())
    }

    /// Forgets every message, id and count. Sequence numbers go on.
    pub fn clear(&mut self) {
        self.scheduled = Schedule::default();
        self.main = Store::new(self.settings.requires_session);
        self.dead_letter = Store::default();
        self.ledger = Ledger::default();
        if let Some(history) = &mut self.duplicates {
            history.clear();
        }
    }

    /// The queue's settings.
    #[must_use]
    pub const fn settings(&self) -> &QueueSettings {
        &self.settings
    }

    /// What was ever stored.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Ready, locked and deferred messages of one part.
    #[must_use]
    pub const fn messages(&self, part: SubQueue) -> &Store {
        match part {
            SubQueue::Main => &self.main,
            SubQueue::DeadLetter => &self.dead_letter,
        }
    }

    /// Messages whose time has not come.
    #[must_use]
    pub const fn scheduled(&self) -> &Schedule {
        &self.scheduled
    }
}
