//! A message of the broker, as a client receives it.

use bytes::Bytes;
use uuid::Uuid;

use super::to_value;
use crate::amqp::codec::{Reader, Value, encode as encode_value};
use crate::broker::{Message, MessageState, Stored, Timestamp};
use crate::wire::render::changed_properties;

/// Encodes a message. `deliveries` are those before this one.
#[must_use]
pub fn encode(
    stored: &Stored,
    state: MessageState,
    deliveries: u32,
    locked_until: Option<Timestamp>,
) -> Vec<u8> {
    let mut out = start(stored, deliveries);
    finish(stored, state, locked_until, &mut out);
    out
}

/// Encodes a message that is received by its number: no transfer has a tag that could be its lock,
/// so the SDK for Go reads the lock here.
#[must_use]
pub fn encode_deferred(
    stored: &Stored,
    deliveries: u32,
    lock: Option<(Uuid, Timestamp)>,
) -> Vec<u8> {
    let mut out = start(stored, deliveries);
    if let Some((token, _)) = lock {
        let annotations = vec![(Value::symbol("x-opt-lock-token"), Value::Uuid(token))];
        let section = Value::Described(Box::new((Value::Ulong(0x71), Value::Map(annotations))));
        encode_value(&section, &mut out);
    }
    finish(stored, MessageState::Deferred, lock.map(|(_, until)| until), &mut out);
    out
}

fn start(stored: &Stored, deliveries: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(stored.message.body.len() + 512);
    encode_value(&header(stored, deliveries), &mut out);
    out
}

/// What follows the header and the annotations of this delivery.
fn finish(
    stored: &Stored,
    state: MessageState,
    locked_until: Option<Timestamp>,
    out: &mut Vec<u8>,
) {
    let message = &*stored.message;
    annotations(stored, state, locked_until, out);
    match message.bare.as_deref() {
        Some(bare) if !bare.properties.is_empty() => out.extend_from_slice(&bare.properties),
        _ => encode_value(&properties(message), out),
    }
    application_properties(stored, out);
    match message.bare.as_deref() {
        Some(bare) if !bare.body.is_empty() => {
            out.extend_from_slice(&bare.body);
            out.extend_from_slice(&bare.footer);
        }
        Some(bare) => {
            data(&message.body, out);
            out.extend_from_slice(&bare.footer);
        }
        None => data(&message.body, out),
    }
}

fn data(body: &Bytes, out: &mut Vec<u8>) {
    let data = Value::Described(Box::new((Value::Ulong(0x75), Value::Binary(body.clone()))));
    encode_value(&data, out);
}

/// The delivery count is written even if it is 0: .NET takes a missing one for none at all.
fn header(stored: &Stored, deliveries: u32) -> Value {
    let millis = u32::try_from(stored.time_to_live.as_millis()).ok();
    Value::described_list(
        0x70,
        vec![
            Value::Boolean(true),
            Value::Null,
            millis.map_or(Value::Null, Value::Uint),
            Value::Null,
            Value::Uint(deliveries),
        ],
    )
}

fn timestamp(moment: Timestamp) -> Value {
    Value::Timestamp(i64::try_from(moment.unix_millis()).unwrap_or(i64::MAX))
}

fn annotations(
    stored: &Stored,
    state: MessageState,
    locked_until: Option<Timestamp>,
    out: &mut Vec<u8>,
) {
    let broker = &stored.message.broker;
    let sequence = i64::try_from(stored.sequence).unwrap_or(i64::MAX);
    let mut entries = vec![
        ("x-opt-enqueued-time", timestamp(stored.enqueued_at)),
        ("x-opt-sequence-number", Value::Long(sequence)),
        ("x-opt-enqueue-sequence-number", Value::Long(0)),
        (
            "x-opt-message-state",
            Value::Int(match state {
                MessageState::Active => 0,
                MessageState::Deferred => 1,
                MessageState::Scheduled => 2,
            }),
        ),
    ];
    if let Some(until) = locked_until {
        entries.push(("x-opt-locked-until", timestamp(until)));
    }
    if let Some(due) = broker.scheduled_enqueue_time {
        entries.push(("x-opt-scheduled-enqueue-time", timestamp(due)));
    }
    for (name, text) in [
        ("x-opt-partition-key", &broker.partition_key),
        ("x-opt-via-partition-key", &broker.via_partition_key),
    ] {
        if let Some(text) = text {
            entries.push((name, Value::String(text.clone())));
        }
    }
    let mut entries: Vec<_> =
        entries.into_iter().map(|(name, value)| (Value::symbol(name), value)).collect();
    let own = stored.message.bare.as_deref().map_or(&[][..], |bare| &bare.annotations);
    for (key, value) in own {
        let read = |bytes: &Bytes| Reader::new(bytes.clone()).value();
        // They were written by this server from values that it had read.
        if let (Ok(key), Ok(value)) = (read(key), read(value)) {
            entries.push((key, value));
        }
    }
    let annotations = Value::Described(Box::new((Value::Ulong(0x72), Value::Map(entries))));
    encode_value(&annotations, out);
}

fn properties(message: &Message) -> Value {
    let broker = &message.broker;
    let text = |text: &Option<Box<str>>| text.clone().map_or(Value::Null, Value::String);
    let content_type = message.content_type.clone();
    Value::described_list(
        0x73,
        vec![
            Value::String(broker.message_id.clone()),
            Value::Null,
            text(&broker.to),
            text(&broker.label),
            text(&broker.reply_to),
            text(&broker.correlation_id),
            content_type.map_or(Value::Null, symbol_or_string),
            Value::Null,
            Value::Null,
            Value::Null,
            text(&broker.session_id),
            Value::Null,
            text(&broker.reply_to_session_id),
        ],
    )
}

/// A symbol is ASCII; a content type from a batch need not be.
fn symbol_or_string(text: Box<str>) -> Value {
    if text.is_ascii() { Value::Symbol(text) } else { Value::String(text) }
}

fn application_properties(stored: &Stored, out: &mut Vec<u8>) {
    let message = &*stored.message;
    let changed = changed_properties(stored);
    let raw = message.bare.as_deref().map(|bare| &bare.application_properties);
    let raw = raw.filter(|raw| !raw.is_empty());
    if changed.is_empty()
        && let Some(raw) = raw
    {
        out.extend_from_slice(raw);
        return;
    }
    // What a described value stands for would be lost in the broker's own.
    let as_sent = raw.and_then(|raw| {
        let value = Reader::new(raw.clone()).value().ok()?;
        match value.undescribed() {
            Value::Map(entries) => Some(entries.clone()),
            _ => None,
        }
    });
    let mut entries = as_sent.unwrap_or_else(|| {
        let sent = message.properties.iter();
        sent.map(|(name, value)| (Value::String(name.clone()), to_value(value))).collect()
    });
    for (name, value) in changed {
        entries.retain(|(key, _)| key.as_text() != Some(&*name));
        entries.push((Value::String(name), to_value(&value)));
    }
    if !entries.is_empty() {
        let map = Value::Described(Box::new((Value::Ulong(0x74), Value::Map(entries))));
        encode_value(&map, out);
    }
}
