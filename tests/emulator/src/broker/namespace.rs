//! The entities of a namespace, each behind its own lock.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

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
    /// A message goes here if one of them lets it through.
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
                entity.changed.notify_waiters();
                acceptance
            }
            Self::Topic(entity) => entity.send(&message, now),
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
        })
    }
}

impl TopicEntity {
    fn send(&self, message: &Arc<Message>, now: Timestamp) -> Acceptance {
        let limit = {
            let mut topic = self.topic.lock();
            if topic.send(message, now) == Acceptance::Duplicate {
                return Acceptance::Duplicate;
            }
            topic.settings().default_time_to_live
        };
        for Subscription { rules, entity } in &self.subscriptions {
            if rules.matches(message) {
                entity.queue.lock().forward(Arc::clone(message), limit, now);
                entity.changed.notify_waiters();
            }
        }
        Acceptance::Stored
    }
}
