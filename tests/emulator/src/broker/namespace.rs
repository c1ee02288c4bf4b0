//! The entities of a namespace, each behind its own lock.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{Acceptance, Message, Queue, Rules, Timestamp, Topic};

/// A namespace.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    entities: HashMap<String, Entity>,
}

/// An entity that has a path.
#[derive(Clone, Debug)]
pub enum Entity {
    /// A queue, or a subscription, at `{topic}/subscriptions/{subscription}`.
    Queue(Arc<QueueEntity>),
    /// A topic.
    Topic(Arc<TopicEntity>),
}

/// A queue or subscription with those who wait for a message.
#[derive(Debug)]
pub struct QueueEntity {
    /// The path as it was configured.
    pub path: String,
    /// Whether it is the subscription of a topic.
    pub is_subscription: bool,
    /// Its settings say that messages have sessions.
    pub requires_session: bool,
    /// Its messages.
    pub queue: Mutex<Queue>,
    /// Told of every change that may bring a message.
    pub changed: Notify,
    /// Connections that receive from here, told as well.
    watchers: Mutex<Vec<Weak<Notify>>>,
}

/// A topic with its subscriptions.
#[derive(Debug)]
pub struct TopicEntity {
    /// The path as it was configured.
    pub path: String,
    /// Its duplicate detection and counts.
    pub topic: Mutex<Topic>,
    /// Where its messages go.
    pub subscriptions: Vec<Subscription>,
}

/// A subscription as its topic sees it.
#[derive(Debug)]
pub struct Subscription {
    /// Which messages go here, and what they then say.
    pub rules: Rules,
    /// Where it is kept.
    pub entity: Arc<QueueEntity>,
}

impl Namespace {
    /// A namespace with its entities by path. Two paths that differ only in case are one.
    #[must_use]
    pub fn new(name: String, entities: impl IntoIterator<Item = Entity>) -> Self {
        let entities = entities.into_iter().map(|entity| (entity.path().to_lowercase(), entity));
        Self { name, entities: entities.collect() }
    }

    /// The namespace's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The entity at a path; case does not matter.
    #[must_use]
    pub fn entity(&self, path: &str) -> Option<&Entity> {
        self.entities.get(&path.to_lowercase())
    }

    /// Every entity, by path.
    #[must_use]
    pub fn entities(&self) -> Vec<&Entity> {
        let mut entities: Vec<_> = self.entities.values().collect();
        entities.sort_unstable_by_key(|entity| entity.path());
        entities
    }
}

impl Entity {
    /// The path as it was configured.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Queue(queue) => &queue.path,
            Self::Topic(topic) => &topic.path,
        }
    }

    /// Accepts a message.
    pub fn send(&self, message: Arc<Message>, now: Timestamp) -> Acceptance {
        match self {
            Self::Queue(entity) => {
                let acceptance = entity.queue.lock().send(message, now);
                entity.announce();
                acceptance
            }
            Self::Topic(entity) => entity.send(&message, now),
        }
    }

    /// Takes a scheduled message back by the number that it got. False if there is none.
    #[must_use]
    pub fn cancel(&self, sequence: u64, now: Timestamp) -> bool {
        match self {
            Self::Queue(entity) => entity.queue.lock().cancel(sequence, now),
            Self::Topic(entity) => entity.cancel(sequence, now),
        }
    }
}

impl QueueEntity {
    /// An empty entity.
    #[must_use]
    pub fn new(path: String, is_subscription: bool, queue: Queue) -> Arc<Self> {
        Arc::new(Self {
            path,
            is_subscription,
            requires_session: queue.settings().requires_session,
            queue: Mutex::new(queue),
            changed: Notify::new(),
            watchers: Mutex::default(),
        })
    }

    /// Tells all who wait that there may be a message.
    pub fn announce(&self) {
        self.changed.notify_waiters();
        self.watchers.lock().retain(|watcher| match watcher.upgrade() {
            Some(watcher) => {
                watcher.notify_one();
                true
            }
            None => false,
        });
    }

    /// Has `watcher` told of every change, for as long as it lives.
    pub fn watch(&self, watcher: &Arc<Notify>) {
        let mut watchers = self.watchers.lock();
        watchers.retain(|other| other.strong_count() > 0);
        if !watchers.iter().any(|other| other.as_ptr() == Arc::as_ptr(watcher)) {
            watchers.push(Arc::downgrade(watcher));
        }
    }
}

impl TopicEntity {
    fn send(&self, message: &Arc<Message>, now: Timestamp) -> Acceptance {
        let (acceptance, limit) = {
            let mut topic = self.topic.lock();
            (topic.send(message, now), topic.settings().default_time_to_live)
        };
        let Acceptance::Stored(number) = acceptance else { return acceptance };
        let mut copies = Vec::new();
        for (index, Subscription { rules, entity }) in self.subscriptions.iter().enumerate() {
            let selected = rules.select(message, &Uuid::new_v4);
            let mut queue = entity.queue.lock();
            for copy in selected.copies {
                copies.push((index, queue.forward(copy, limit, now)));
            }
            if let Some(failure) = selected.failure {
                queue.forward_to_dead_letter(Arc::clone(message), &failure, limit, now);
            }
            drop(queue);
            entity.announce();
        }
        if let Some(due) = message.broker.scheduled_enqueue_time.filter(|due| *due > now) {
            self.topic.lock().remember_scheduled(number, due, copies);
        }
        acceptance
    }

    fn cancel(&self, sequence: u64, now: Timestamp) -> bool {
        let Some(copies) = self.topic.lock().take_scheduled(sequence, now) else { return false };
        for (index, copy) in copies {
            if let Some(subscription) = self.subscriptions.get(index) {
                subscription.entity.queue.lock().cancel(copy, now);
            }
        }
        true
    }
}
