//! A message as a receiver gets it: headers and body.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::property;
use super::single::is_kept;
use crate::broker::{Delivery, Message, PropertyValue, Stored};

/// The type that a message without one is delivered with.
const NO_CONTENT_TYPE: &str = "application/xml; charset=utf-8";

/// The headers of a delivery, `Location` aside.
#[must_use]
pub fn headers(delivery: &Delivery) -> Vec<(String, String)> {
    let Delivery { stored, lock } = delivery;
    let message = &*stored.message;
    let mut members = broker_properties(stored, "Active");
    if let Some((token, until)) = lock {
        members.insert("LockToken".to_owned(), token.to_string().into());
        members.insert("LockedUntilUtc".to_owned(), until.to_rfc1123().into());
    }
    let content_type = message.content_type.as_deref().unwrap_or(NO_CONTENT_TYPE);
    let mut headers = vec![
        ("Content-Type".to_owned(), content_type.to_owned()),
        ("BrokerProperties".to_owned(), property::escape_non_ascii(&json!(members).to_string())),
    ];
    for (name, value) in properties(stored) {
        if is_header_name(&name) {
            headers.push((name, property::render(&value)));
        }
    }
    headers
}

/// Some names that a batch can carry, such as `cloudEvents:id` and `date`, cannot be headers.
fn is_header_name(name: &str) -> bool {
    http::HeaderName::from_bytes(name.as_bytes()).is_ok_and(|name| !is_kept(name.as_str()))
}

/// The application properties, with those that dead-lettering adds.
#[must_use]
pub fn properties(stored: &Stored) -> Vec<(String, PropertyValue)> {
    let sent = stored.message.properties.iter();
    let mut properties: Vec<_> =
        sent.map(|(name, value)| (name.to_string(), value.clone())).collect();
    for (name, value) in changed_properties(stored) {
        properties.retain(|(other, _)| *other != *name);
        properties.push((name.into(), value));
    }
    properties
}

/// What receivers changed or added, and what dead-lettering adds.
#[must_use]
pub fn changed_properties(stored: &Stored) -> Vec<(Box<str>, PropertyValue)> {
    let mut changed = stored.modified.clone();
    if let Some(dead_letter) = &stored.dead_letter {
        let added = [
            ("DeadLetterReason", &dead_letter.reason),
            ("DeadLetterErrorDescription", &dead_letter.description),
        ];
        for (name, text) in added {
            let Some(text) = text else { continue };
            changed.retain(|(other, _)| **other != *name);
            changed.push((name.into(), PropertyValue::Text(text.clone())));
        }
    }
    changed
}

/// The broker properties, keys in alphabetical order.
#[must_use]
pub fn broker_properties(stored: &Stored, state: &str) -> BTreeMap<String, Value> {
    let Message { broker, .. } = &*stored.message;
    let texts = [
        ("CorrelationId", &broker.correlation_id),
        ("Label", &broker.label),
        ("PartitionKey", &broker.partition_key),
        ("ReplyTo", &broker.reply_to),
        ("ReplyToSessionId", &broker.reply_to_session_id),
        ("SessionId", &broker.session_id),
        ("To", &broker.to),
        ("ViaPartitionKey", &broker.via_partition_key),
    ];
    let mut members = BTreeMap::new();
    let mut insert = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
    for (name, text) in texts {
        if let Some(text) = text {
            insert(name, (**text).into());
        }
    }
    if let Some(value) = broker.force_persistence {
        insert("ForcePersistence", value.into());
    }
    if let Some(due) = broker.scheduled_enqueue_time {
        insert("ScheduledEnqueueTimeUtc", due.to_rfc1123().into());
    }
    insert("DeliveryCount", stored.delivery_count.into());
    // Always 0 where there are no partitions.
    insert("EnqueuedSequenceNumber", 0.into());
    insert("EnqueuedTimeUtc", stored.enqueued_at.to_rfc1123().into());
    insert("MessageId", (*broker.message_id).into());
    insert("SequenceNumber", stored.sequence.into());
    insert("State", state.into());
    insert("TimeToLive", seconds(stored.time_to_live));
    members
}

/// Whole seconds without a fraction, as Azure writes them.
fn seconds(span: std::time::Duration) -> Value {
    if span.subsec_nanos() == 0 { span.as_secs().into() } else { span.as_secs_f64().into() }
}
