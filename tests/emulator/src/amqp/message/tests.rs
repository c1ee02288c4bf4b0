//! HTTP to AMQP and back, and messages that pass through unchanged.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::amqp::codec::Value;
use crate::amqp::codec::encode as encode_value;
use crate::broker::{
    BrokerProperties, DeadLetter, Form, Message, MessageState, PropertyValue, Scalar, Stored,
    Timestamp,
};
use crate::wire::Tier;

const START: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

fn stored(message: Message) -> Stored {
    Stored {
        sequence: 7,
        message: Arc::new(message),
        enqueued_at: START,
        time_to_live: Duration::from_secs(60),
        delivery_count: 1,
        dead_letter: None,
        modified: Vec::new(),
    }
}

fn from_http() -> Message {
    let text = |text: &str| Some(text.into());
    Message {
        body: Bytes::from_static(b"\x00\xffbody"),
        content_type: text("application/json"),
        broker: BrokerProperties {
            message_id: "id".into(),
            correlation_id: text("c"),
            label: text("l"),
            partition_key: text("s"),
            reply_to: text("r"),
            reply_to_session_id: text("rs"),
            session_id: text("s"),
            to: text("t"),
            scheduled_enqueue_time: Some(START),
            time_to_live: Some(Duration::from_secs(60)),
            ..BrokerProperties::default()
        },
        properties: Box::new([
            ("text".into(), PropertyValue::Text("é".into())),
            ("whole".into(), PropertyValue::Integer(42)),
            ("half".into(), PropertyValue::Float(0.5)),
            ("yes".into(), PropertyValue::Boolean(true)),
        ]),
        form: Form::Single,
        request: Weak::new(),
        bare: None,
    }
}

fn delivered(stored: &Stored) -> Sections {
    let bytes = encode(stored, MessageState::Active, 0, Some(START));
    Sections::parse(&bytes.into()).unwrap()
}

fn parse_one(bytes: Vec<u8>) -> Message {
    let mut messages = parse(&bytes.into(), 0, Tier::Standard).unwrap();
    assert_eq!(messages.len(), 1);
    messages.remove(0)
}

#[test]
fn every_part_of_an_http_message_has_its_place() {
    let sections = delivered(&stored(from_http()));
    let header =
        vec![Value::Boolean(true), Value::Null, Value::Uint(60_000), Value::Null, Value::Uint(0)];
    assert_eq!(sections.header, Some(Value::List(header)));
    let string = Value::string;
    let properties = vec![
        string("id"),
        Value::Null,
        string("t"),
        string("l"),
        string("r"),
        string("c"),
        Value::symbol("application/json"),
        Value::Null,
        Value::Null,
        Value::Null,
        string("s"),
        Value::Null,
        string("rs"),
    ];
    assert_eq!(sections.properties.unwrap().0, Value::List(properties));
    let expected = Value::string_map([
        ("text", string("é")),
        ("whole", Value::Long(42)),
        ("half", Value::Double(0.5)),
        ("yes", Value::Boolean(true)),
    ]);
    assert_eq!(sections.application_properties.unwrap().0, expected);
    assert_eq!(sections.data, [&b"\x00\xffbody"[..]]);
    let annotations = sections.annotations.unwrap();
    let start = Value::Timestamp(1_800_000_000_000);
    for (name, value) in [
        ("x-opt-enqueued-time", start.clone()),
        ("x-opt-locked-until", start.clone()),
        ("x-opt-scheduled-enqueue-time", start),
        ("x-opt-sequence-number", Value::Long(7)),
        ("x-opt-partition-key", string("s")),
        ("x-opt-message-state", Value::Int(0)),
    ] {
        assert_eq!(annotations.get(name), Some(&value), "{name}");
    }
}

#[test]
fn what_amqp_sends_is_what_http_would_have_sent() {
    let sent = stored(from_http());
    let message = parse_one(encode(&sent, MessageState::Active, 0, None));
    assert_eq!(message.body, from_http().body);
    assert_eq!(message.content_type, from_http().content_type);
    assert_eq!(format!("{:?}", message.broker), format!("{:?}", from_http().broker));
    assert_eq!(message.properties, from_http().properties);
}

fn described(code: u64, value: Value) -> Value {
    Value::Described(Box::new((Value::Ulong(code), value)))
}

fn message(sections: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    for section in sections {
        encode_value(section, &mut out);
    }
    out
}

/// A message with what HTTP has no word for.
fn rich() -> Vec<Value> {
    let timespan =
        Value::Described(Box::new((Value::symbol("com.microsoft:timespan"), Value::Long(5))));
    vec![
        described(0x72, Value::symbol_map([("x-mine", Value::Int(3))])),
        Value::described_list(0x73, vec![Value::Uuid(uuid::Uuid::from_u128(5))]),
        described(0x74, Value::string_map([("n", Value::Int(1)), ("span", timespan)])),
        described(0x77, Value::List(vec![Value::Ubyte(1), Value::Null])),
        described(0x78, Value::symbol_map([("crc", Value::Uint(9))])),
    ]
}

#[test]
fn what_http_has_no_word_for_passes_unchanged() {
    let bytes = message(&rich());
    let parsed = parse_one(bytes.clone());
    assert_eq!(&*parsed.broker.message_id, "00000000-0000-0000-0000-000000000005");
    assert_eq!(parsed.properties[0].1, PropertyValue::Other(Scalar::Int(1)));
    let out = encode(&stored(parsed), MessageState::Active, 0, None);
    let bare = message(&rich()[1..]);
    assert!(out.ends_with(&bare));
    let sections = Sections::parse(&out.into()).unwrap();
    assert_eq!(sections.annotations.unwrap().get("x-mine"), Some(&Value::Int(3)));
}

#[test]
fn dead_lettering_adds_properties_and_leaves_the_others() {
    let mut dead = stored(parse_one(message(&rich())));
    dead.dead_letter = Some(DeadLetter { reason: Some("bad".into()), description: None });
    dead.modified = vec![("n".into(), PropertyValue::Text("2".into()))];
    let (properties, _) = delivered(&dead).application_properties.unwrap();
    let Value::Map(entries) = &properties else { panic!("{properties:?}") };
    assert_eq!(entries.len(), 3);
    assert!(matches!(properties.get("span"), Some(Value::Described(_))));
    assert_eq!(properties.get("n"), Some(&Value::string("2")));
    assert_eq!(properties.get("DeadLetterReason"), Some(&Value::string("bad")));
}

#[test]
fn a_message_without_an_id_gets_one() {
    let subject = Value::described_list(
        0x73,
        vec![Value::Null, Value::Null, Value::Null, Value::string("label")],
    );
    let parsed = parse_one(message(&[subject, described(0x75, Value::Binary(Bytes::new()))]));
    let id = parsed.broker.message_id.clone();
    let Value::List(fields) = delivered(&stored(parsed)).properties.unwrap().0 else { panic!() };
    assert_eq!((&fields[0], &fields[3]), (&Value::String(id), &Value::string("label")));
}

#[test]
fn a_batch_holds_whole_messages() {
    let one = |body: &'static [u8]| message(&[described(0x75, Value::Binary(body.into()))]);
    let batch = message(&[
        described(0x75, Value::Binary(one(b"a").into())),
        described(0x75, Value::Binary(one(b"b").into())),
    ]);
    let messages = parse(&batch.into(), BATCH_FORMAT, Tier::Standard).unwrap();
    let bodies: Vec<_> = messages.iter().map(|message| &*message.body).collect();
    assert_eq!(bodies, [b"a", b"b"]);
    assert!(parse(&Bytes::new(), BATCH_FORMAT, Tier::Standard).is_err());
}

#[test]
fn what_breaks_a_rule_is_refused_with_the_reason() {
    let data = described(0x75, Value::Binary(Bytes::new()));
    let properties = |fields| vec![Value::described_list(0x73, fields), data.clone()];
    let partition = Value::symbol_map([("x-opt-partition-key", Value::string("b"))]);
    let mut different = vec![described(0x72, partition)];
    let mut session = vec![Value::Null; 10];
    session.push(Value::string("a"));
    different.extend(properties(session));
    let list = Value::string_map([("a", Value::List(vec![]))]);
    for (sections, reason) in [
        (properties(vec![Value::string("")]), "message-id must not be empty"),
        (properties(vec![Value::string("x".repeat(129))]), "128"),
        (properties(vec![Value::Boolean(true)]), "message-id is no text"),
        (different, "must be equal"),
        (vec![described(0x74, list), data.clone()], "'a' is a list"),
        (vec![data.clone(), described(0x74, Value::Map(vec![]))], "order of sections"),
        (vec![data.clone(), described(0x77, Value::Null)], "several kinds"),
        (vec![Value::Null], "section"),
    ] {
        let refused = parse(&message(&sections).into(), 0, Tier::Standard).unwrap_err();
        assert!(refused.description.contains(reason), "{reason}: {refused:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_borne(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let bytes = Bytes::from(bytes);
        for format in [0, BATCH_FORMAT] {
            for message in parse(&bytes, format, Tier::Standard).unwrap_or_default() {
                let _ = encode(&stored(message), MessageState::Active, 0, None);
            }
        }
    }

    #[test]
    fn changed_bytes_are_borne(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = message(&rich());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        for message in parse(&bytes.into(), 0, Tier::Standard).unwrap_or_default() {
            let _ = encode(&stored(message), MessageState::Active, 0, None);
        }
    }
}
