//! Queues, topics and subscriptions.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::reader::{Errors, Object, Place};
use super::rules;
use crate::broker::{
    Entity, Queue, QueueEntity, QueueSettings, Subscription, Topic, TopicEntity, TopicSettings,
};
use crate::wire::Tier;

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
/// Defaults and bounds are those of Microsoft's emulator where it has a default, and otherwise
/// the wider ones of Azure, so that a file for either is taken.
const LOCK_BOUNDS: (&str, &str) = ("PT5S", "PT5M");
const WINDOW_BOUNDS: (&str, &str) = ("PT5S", "P7D");
const LIFETIME_BOUNDS: (&str, &str) = ("PT1S", "P10675199DT2H48M5.4775807S");
const DEFAULT_WINDOW: Duration = Duration::from_secs(20);
const DELIVERY_BOUNDS: (u32, u32) = (1, 2000);
const DEFAULT_DELIVERIES: u32 = 3;

/// Reads the entities of one namespace.
pub(super) fn read(namespace: &Object<'_>, tier: Tier, errors: &mut Errors) -> Vec<Entity> {
    let mut names = Names::default();
    let mut entities = Vec::new();
    let place = Place::Member(&namespace.place, "Queues");
    for (index, queue) in namespace.array("Queues", errors).iter().enumerate() {
        let place = Place::Element(&place, index);
        let Some(queue) = Object::new(queue, place, &["Name", "Properties"], errors) else {
            continue;
        };
        let name = names.read(&queue, 260, errors);
        let settings = queue_settings(&queue, Kind::Queue, tier, errors);
        entities.push(Entity::Queue(QueueEntity::new(name, false, Queue::new(settings))));
    }
    let place = Place::Member(&namespace.place, "Topics");
    for (index, topic) in namespace.array("Topics", errors).iter().enumerate() {
        let place = Place::Element(&place, index);
        let known = ["Name", "Properties", "Subscriptions"];
        let Some(topic) = Object::new(topic, place, &known, errors) else { continue };
        if tier == Tier::Basic {
            errors.push(&topic.place, "the Basic tier has no topics");
        }
        entities.extend(read_topic(&topic, &mut names, tier, errors));
    }
    entities
}

fn read_topic(
    topic: &Object<'_>,
    names: &mut Names,
    tier: Tier,
    errors: &mut Errors,
) -> Vec<Entity> {
    let path = names.read(topic, 260, errors);
    let settings = topic_settings(topic, tier, errors);
    let mut subscription_names = Names::default();
    let mut subscriptions = Vec::new();
    let place = Place::Member(&topic.place, "Subscriptions");
    for (index, subscription) in topic.array("Subscriptions", errors).iter().enumerate() {
        let place = Place::Element(&place, index);
        let known = ["Name", "Properties", "Rules"];
        let Some(object) = Object::new(subscription, place, &known, errors) else { continue };
        let name = subscription_names.read(&object, 50, errors);
        let settings = queue_settings(&object, Kind::Subscription, tier, errors);
        let rules = rules::read(&object, errors);
        let path = format!("{path}/subscriptions/{name}");
        let entity = QueueEntity::new(path, true, Queue::new(settings));
        subscriptions.push(Subscription { rules, entity });
    }
    let queues = subscriptions.iter().map(|subscription| Arc::clone(&subscription.entity));
    let mut entities: Vec<_> = queues.map(Entity::Queue).collect();
    let topic = Mutex::new(Topic::new(settings));
    entities.push(Entity::Topic(Arc::new(TopicEntity { path, topic, subscriptions })));
    entities
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Queue,
    Subscription,
}

fn queue_settings(
    entity: &Object<'_>,
    kind: Kind,
    tier: Tier,
    errors: &mut Errors,
) -> QueueSettings {
    let mut settings = QueueSettings {
        dead_lettering_on_expiration: false,
        default_time_to_live: HOUR,
        duplicate_window: None,
        lock_duration: MINUTE,
        max_delivery_count: DEFAULT_DELIVERIES,
        requires_session: false,
    };
    let mut known = vec![
        "DeadLetteringOnMessageExpiration",
        "DefaultMessageTimeToLive",
        "ForwardDeadLetteredMessagesTo",
        "ForwardTo",
        "LockDuration",
        "MaxDeliveryCount",
        "RequiresSession",
    ];
    if kind == Kind::Queue {
        known.extend(["DuplicateDetectionHistoryTimeWindow", "RequiresDuplicateDetection"]);
    }
    let Some(value) = entity.get("Properties") else { return settings };
    let place = Place::Member(&entity.place, "Properties");
    let Some(object) = Object::new(value, place, &known, errors) else { return settings };

    for name in ["ForwardDeadLetteredMessagesTo", "ForwardTo"] {
        if object.string(name, errors).is_some_and(|target| !target.is_empty()) {
            let reason = "this emulator does not forward, so messages stay here";
            object.ignored(name, reason, errors);
        }
    }
    settings.dead_lettering_on_expiration =
        object.boolean("DeadLetteringOnMessageExpiration", errors);
    settings.default_time_to_live =
        object.duration("DefaultMessageTimeToLive", LIFETIME_BOUNDS, HOUR, errors);
    settings.lock_duration = object.duration("LockDuration", LOCK_BOUNDS, MINUTE, errors);
    settings.max_delivery_count =
        object.number("MaxDeliveryCount", DELIVERY_BOUNDS, DEFAULT_DELIVERIES, errors);
    settings.requires_session = object.boolean("RequiresSession", errors);
    if settings.requires_session && tier == Tier::Basic {
        object.wrong("RequiresSession", "the Basic tier has no sessions", errors);
    }
    if kind == Kind::Queue {
        settings.duplicate_window = duplicate_window(&object, tier, errors);
    }
    settings
}

fn topic_settings(topic: &Object<'_>, tier: Tier, errors: &mut Errors) -> TopicSettings {
    let mut settings = TopicSettings { default_time_to_live: HOUR, duplicate_window: None };
    let Some(value) = topic.get("Properties") else { return settings };
    let place = Place::Member(&topic.place, "Properties");
    let known = [
        "DefaultMessageTimeToLive",
        "DuplicateDetectionHistoryTimeWindow",
        "RequiresDuplicateDetection",
    ];
    if let Some(object) = Object::new(value, place, &known, errors) {
        settings.default_time_to_live =
            object.duration("DefaultMessageTimeToLive", LIFETIME_BOUNDS, HOUR, errors);
        settings.duplicate_window = duplicate_window(&object, tier, errors);
    }
    settings
}

fn duplicate_window(object: &Object<'_>, tier: Tier, errors: &mut Errors) -> Option<Duration> {
    let name = "DuplicateDetectionHistoryTimeWindow";
    let window = object.duration(name, WINDOW_BOUNDS, DEFAULT_WINDOW, errors);
    let required = object.boolean("RequiresDuplicateDetection", errors);
    if required && tier == Tier::Basic {
        let reason = "the Basic tier has no duplicate detection";
        object.wrong("RequiresDuplicateDetection", reason, errors);
    }
    required.then_some(window)
}

/// Names so far, in lower case: case does not tell entities apart.
#[derive(Default)]
struct Names(HashSet<String>);

impl Names {
    fn read(&mut self, object: &Object<'_>, longest: usize, errors: &mut Errors) -> String {
        if object.required("Name", errors).is_none() {
            return String::new();
        }
        let Some(name) = object.string("Name", errors) else { return String::new() };
        let is_word = |c: char| c.is_ascii_alphanumeric();
        let valid = name.starts_with(is_word)
            && name.ends_with(is_word)
            && name.chars().all(|c| is_word(c) || "-_./".contains(c))
            && !name.contains("//");
        if !valid || name.len() > longest {
            object.wrong(
                "Name",
                format_args!(
                    "expected 1 to {longest} letters, digits, '.', '-', '_' and '/', with a \
                     letter or digit at both ends, found {name:?}"
                ),
                errors,
            );
        } else if !self.0.insert(name.to_lowercase()) {
            object.wrong("Name", format_args!("another entity is named {name:?}"), errors);
        }
        name.to_owned()
    }
}
