//! Topics: who gets which message.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::*;

const START: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
const HOUR: Duration = Duration::from_secs(3600);

fn settings() -> QueueSettings {
    QueueSettings {
        dead_lettering_on_expiration: false,
        default_time_to_live: HOUR,
        duplicate_window: None,
        lock_duration: Duration::from_secs(60),
        max_delivery_count: 3,
        requires_session: false,
    }
}

fn message(id: &str, properties: &[(&str, PropertyValue)]) -> Arc<Message> {
    let named = properties.iter().map(|(name, value)| ((*name).into(), value.clone()));
    Arc::new(Message {
        body: Bytes::from_static(b"body"),
        content_type: Some("application/json".into()),
        broker: BrokerProperties {
            message_id: id.into(),
            label: Some("order".into()),
            ..BrokerProperties::default()
        },
        properties: named.collect(),
        form: Form::Single,
        request: Weak::new(),
        bare: None,
    })
}

fn subscription(name: &str, filters: Vec<Filter>, settings: QueueSettings) -> Subscription {
    let path = format!("t/subscriptions/{name}");
    let rules = filters.into_iter().enumerate();
    let rules =
        rules.map(|(index, filter)| Rule { name: index.to_string().into(), filter, action: None });
    Subscription {
        rules: Rules::new(rules.collect()),
        entity: QueueEntity::new(path, true, Queue::new(settings)),
    }
}

fn topic(settings: TopicSettings, subscriptions: Vec<Subscription>) -> Arc<TopicEntity> {
    let topic = parking_lot::Mutex::new(Topic::new(settings));
    Arc::new(TopicEntity { path: "t".to_owned(), topic, subscriptions })
}

fn correlation(fields: &[(Field, &str)], properties: &[(&str, PropertyValue)]) -> Filter {
    Filter::Correlation(CorrelationFilter {
        fields: fields.iter().map(|(field, value)| (*field, (*value).to_owned())).collect(),
        properties: properties
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
    })
}

fn count(subscription: &Subscription) -> usize {
    subscription.entity.queue.lock().messages(SubQueue::Main).ready_count()
}

const PLAIN: TopicSettings = TopicSettings { default_time_to_live: HOUR, duplicate_window: None };

#[test]
fn a_subscription_gets_what_one_of_its_filters_lets_through() {
    let vip = || correlation(&[], &[("vip", PropertyValue::Boolean(true))]);
    let subscriptions = vec![
        subscription("all", vec![Filter::True], settings()),
        subscription("none", vec![Filter::False], settings()),
        subscription("vip", vec![vip()], settings()),
        subscription("either", vec![Filter::False, vip()], settings()),
    ];
    let topic = topic(PLAIN, subscriptions);
    let entity = Entity::Topic(Arc::clone(&topic));
    entity.send(message("a", &[("vip", PropertyValue::Boolean(true))]), START);
    entity.send(message("b", &[("vip", PropertyValue::Text("true".into()))]), START);
    entity.send(message("c", &[]), START);
    assert_eq!(topic.subscriptions.iter().map(count).collect::<Vec<_>>(), [3, 0, 1, 1]);
    assert_eq!(topic.topic.lock().ledger().total(), 3);
}

#[test]
fn every_condition_of_a_correlation_filter_must_hold() {
    let sent = message("a", &[("n", PropertyValue::Integer(5))]);
    let five = ("n", PropertyValue::Integer(5));
    for (filter, matches) in [
        (correlation(&[(Field::Label, "order")], &[]), true),
        (correlation(&[(Field::Label, "Order")], &[]), false),
        (
            correlation(&[(Field::MessageId, "a"), (Field::ContentType, "application/json")], &[]),
            true,
        ),
        (correlation(&[(Field::MessageId, "a"), (Field::To, "x")], &[]), false),
        (correlation(&[(Field::Label, "order")], std::slice::from_ref(&five)), true),
        (correlation(&[(Field::Label, "order")], &[("N", five.1.clone())]), false),
        (correlation(&[], &[("n", PropertyValue::Text("5".into()))]), false),
    ] {
        assert_eq!(filter.matches(&sent, &Uuid::nil), Ok(matches), "{filter:?}");
    }
}

#[test]
fn a_topic_drops_duplicates_before_its_subscriptions() {
    let window = Some(Duration::from_secs(20));
    let subscriptions = vec![subscription("all", vec![Filter::True], settings())];
    let topic = topic(TopicSettings { duplicate_window: window, ..PLAIN }, subscriptions);
    let entity = Entity::Topic(Arc::clone(&topic));
    assert_eq!(entity.send(message("a", &[]), START), Acceptance::Stored(1));
    assert_eq!(entity.send(message("a", &[]), START), Acceptance::Duplicate);
    assert_eq!(topic.subscriptions.iter().map(count).collect::<Vec<_>>(), [1]);
    assert_eq!(topic.topic.lock().ledger().duplicates(), 1);
}

#[test]
fn the_lifetime_of_the_topic_holds_in_its_subscriptions() {
    let subscriptions = vec![subscription("all", vec![Filter::True], settings())];
    let minute = Duration::from_secs(60);
    let topic = topic(TopicSettings { default_time_to_live: minute, ..PLAIN }, subscriptions);
    Entity::Topic(Arc::clone(&topic)).send(message("a", &[]), START);
    let mut queue = topic.subscriptions[0].entity.queue.lock();
    let delivery = queue.receive(SubQueue::Main.into(), Mode::Delete, START + minute).unwrap();
    assert!(delivery.is_none());
}

#[test]
fn a_message_without_a_session_is_dead_lettered_where_one_is_needed() {
    let needed = QueueSettings { requires_session: true, ..settings() };
    let subscriptions = vec![subscription("sessions", vec![Filter::True], needed)];
    let topic = topic(PLAIN, subscriptions);
    Entity::Topic(Arc::clone(&topic)).send(message("a", &[]), START);
    let mut queue = topic.subscriptions[0].entity.queue.lock();
    let delivery =
        queue.receive(SubQueue::DeadLetter.into(), Mode::Delete, START).unwrap().unwrap();
    let reason = delivery.stored.dead_letter.unwrap();
    assert_eq!(reason.reason.as_deref(), Some("Session ID is null."));
    assert_eq!(
        reason.description.as_deref(),
        Some("Session enabled entity doesn't allow a message whose session identifier is null.")
    );
}

#[test]
fn paths_do_not_mind_case() {
    let queue = QueueEntity::new("Dept/Orders".to_owned(), false, Queue::new(settings()));
    let namespace = Namespace::new("ns".to_owned(), [Entity::Queue(queue)]);
    assert_eq!(namespace.entity("dept/ORDERS").map(Entity::path), Some("Dept/Orders"));
    assert!(namespace.entity("dept").is_none());
}

#[test]
fn a_scheduled_message_is_taken_back_from_every_subscription() {
    let subscriptions = vec![
        subscription("all", vec![Filter::True], settings()),
        subscription("none", vec![Filter::False], settings()),
        subscription("too", vec![Filter::True], settings()),
    ];
    let topic = topic(PLAIN, subscriptions);
    let entity = Entity::Topic(Arc::clone(&topic));
    let later = |id: &str| {
        let mut sent = Arc::into_inner(message(id, &[])).unwrap();
        sent.broker.scheduled_enqueue_time = Some(START + HOUR / 2);
        Arc::new(sent)
    };
    assert_eq!(entity.send(later("a"), START), Acceptance::Stored(1));
    assert_eq!(entity.send(later("b"), START), Acceptance::Stored(2));
    assert!(entity.cancel(1, START));
    assert!(!entity.cancel(1, START));
    for subscription in &topic.subscriptions {
        subscription.entity.queue.lock().advance(START + HOUR / 2);
    }
    assert_eq!(topic.subscriptions.iter().map(count).collect::<Vec<_>>(), [1, 0, 1]);
    assert!(!entity.cancel(2, START + HOUR / 2));
}
