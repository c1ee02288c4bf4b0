//! A queue, or a subscription, with its dead-letter queue.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::store::{DeadLetter, LockLost, Store, Stored};
use super::{CompactId, DuplicateHistory, Ledger, Message, Timestamp};

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
    /// It was stored.
    Stored,
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
    settings: QueueSettings,
    last_sequence: u64,
    scheduled: BTreeMap<(Timestamp, u64), Stored>,
    main: Store,
    dead_letter: Store,
    duplicates: Option<DuplicateHistory>,
    ledger: Ledger,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(settings: QueueSettings) -> Self {
        let duplicates = settings.duplicate_window.map(DuplicateHistory::new);
        Self {
            settings,
            last_sequence: 0,
            scheduled: BTreeMap::new(),
            main: Store::default(),
            dead_letter: Store::default(),
            duplicates,
            ledger: Ledger::default(),
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
        self.store(message, id, Duration::MAX, now);
        Acceptance::Stored
    }

    /// Takes a message from a topic, whose own lifetime limit holds too.
    pub fn forward(&mut self, message: Arc<Message>, limit: Duration, now: Timestamp) {
        let id = CompactId::from(&*message.broker.message_id);
        self.store(message, id, limit, now);
    }

    fn store(&mut self, message: Arc<Message>, id: CompactId, limit: Duration, now: Timestamp) {
        // Else a queue that no one receives from would keep what has long expired.
        self.advance(now);
        self.ledger.stored(id);
        self.last_sequence += 1;
        let own = message.broker.time_to_live.unwrap_or(Duration::MAX);
        let due = message.broker.scheduled_enqueue_time.filter(|due| *due > now);
        let sessionless = self.settings.requires_session && message.broker.session_id.is_none();
        let stored = Stored {
            sequence: self.last_sequence,
            enqueued_at: due.unwrap_or(now),
            time_to_live: own.min(self.settings.default_time_to_live).min(limit),
            delivery_count: 0,
            dead_letter: None,
            message,
        };
        match due {
            // Only a topic gets here without a session: a queue's sender is refused.
            _ if sessionless => self.bury(
                stored,
                "Session ID is null.",
                "Session enabled entity doesn't allow a message whose session identifier is null."
                    .to_owned(),
            ),
            Some(due) => drop(self.scheduled.insert((due, stored.sequence), stored)),
            None => self.main.put(stored),
        }
    }

    fn bury(&mut self, mut stored: Stored, reason: &'static str, description: String) {
        stored.dead_letter = Some(DeadLetter { reason, description });
        self.dead_letter.put(stored);
    }

    /// Brings the queue to `now`: scheduled messages, ended locks, ended lifetimes.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some(entry) = self.scheduled.first_entry()
            && entry.key().0 <= now
        {
            let mut stored = entry.remove();
            // As in Azure: the number it had while scheduled is gone, it queues up behind the others.
            self.last_sequence += 1;
            stored.sequence = self.last_sequence;
            self.main.put(stored);
        }
        while let Some((stored, until)) = self.main.take_unlocked(now) {
            self.give_back(stored, until);
        }
        while let Some((stored, _)) = self.dead_letter.take_unlocked(now) {
            self.dead_letter.put(stored);
        }
        while let Some(stored) = self.main.take_expired(now) {
            self.expire(stored);
        }
    }

    fn give_back(&mut self, stored: Stored, now: Timestamp) {
        if stored.expires_at() <= now {
            self.expire(stored);
        } else if stored.delivery_count >= self.settings.max_delivery_count {
            let attempts = stored.delivery_count;
            self.bury(
                stored,
                "MaxDeliveryCountExceeded",
                format!("Message could not be consumed after {attempts} delivery attempts."),
            );
        } else {
            self.main.put(stored);
        }
    }

    fn expire(&mut self, stored: Stored) {
        if self.settings.dead_lettering_on_expiration {
            self.bury(
                stored,
                "TTLExpiredException",
                "The message expired and was dead lettered.".to_owned(),
            );
        }
    }

    fn part(&mut self, part: SubQueue) -> &mut Store {
        match part {
            SubQueue::Main => &mut self.main,
            SubQueue::DeadLetter => &mut self.dead_letter,
        }
    }

    /// Hands out the first message and forgets it.
    pub fn receive_and_delete(&mut self, part: SubQueue, now: Timestamp) -> Option<Delivery> {
        self.advance(now);
        self.part(part).take().map(|stored| Delivery { stored, lock: None })
    }

    /// Hands out the first message under a lock.
    pub fn peek_lock(&mut self, part: SubQueue, token: Uuid, now: Timestamp) -> Option<Delivery> {
        self.advance(now);
        let until = now + self.settings.lock_duration;
        let stored = self.part(part).lock(token, until)?;
        Some(Delivery { stored, lock: Some((token, until)) })
    }

    /// Removes a locked message for good. `name` is its sequence number or message id.
    ///
    /// # Errors
    /// The lock has ended or never was.
    pub fn complete(
        &mut self,
        part: SubQueue,
        name: &str,
        token: Uuid,
        now: Timestamp,
    ) -> Result<(), LockLost> {
        self.advance(now);
        self.part(part).unlock(name, token).map(drop)
    }

    /// Gives a locked message back.
    ///
    /// # Errors
    /// The lock has ended or never was.
    pub fn abandon(
        &mut self,
        part: SubQueue,
        name: &str,
        token: Uuid,
        now: Timestamp,
    ) -> Result<(), LockLost> {
        self.advance(now);
        let stored = self.part(part).unlock(name, token)?;
        match part {
            SubQueue::Main => self.give_back(stored, now),
            SubQueue::DeadLetter => self.dead_letter.put(stored),
        }
        Ok(())
    }

    /// Makes a lock last a full lock duration from `now`.
    ///
    /// # Errors
    /// The lock has ended or never was.
    pub fn renew(
        &mut self,
        part: SubQueue,
        name: &str,
        token: Uuid,
        now: Timestamp,
    ) -> Result<(), LockLost> {
        self.advance(now);
        let until = now + self.settings.lock_duration;
        self.part(part).renew(name, token, until)
    }

    /// When time alone changes the queue next.
    #[must_use]
    pub fn next_change(&self) -> Timestamp {
        let scheduled =
            self.scheduled.first_key_value().map_or(Timestamp::NEVER, |((due, _), _)| *due);
        scheduled.min(self.main.next_change()).min(self.dead_letter.next_change())
    }

    /// Forgets every message, id and count. Sequence numbers go on.
    pub fn clear(&mut self) {
        self.scheduled.clear();
        self.main = Store::default();
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

    /// Ready and locked messages of one part.
    #[must_use]
    pub const fn messages(&self, part: SubQueue) -> &Store {
        match part {
            SubQueue::Main => &self.main,
            SubQueue::DeadLetter => &self.dead_letter,
        }
    }

    /// Messages whose time has not come, soonest first.
    pub fn scheduled(&self) -> impl DoubleEndedIterator<Item = &Stored> + ExactSizeIterator {
        self.scheduled.values()
    }
}
