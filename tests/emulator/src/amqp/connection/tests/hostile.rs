//! Whatever a peer sends, the process goes on and so do other connections.

use proptest::prelude::*;

use super::client::{Client, accepted, message, request, service};
use crate::amqp::codec::Value;
use crate::amqp::frame::{self, Kind};

/// A value of a kind that fields of performatives have.
fn field() -> impl Strategy<Value = Value> {
    let text = prop::sample::select(vec!["q", "sessions", "q/$management", "$cbs", "t", ""]);
    let source =
        text.clone().prop_map(|address| Value::described_list(0x28, vec![Value::string(address)]));
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        (0..4u32).prop_map(Value::Uint),
        any::<u32>().prop_map(Value::Uint),
        (0..3u8).prop_map(Value::Ubyte),
        any::<u16>().prop_map(Value::Ushort),
        text.prop_map(Value::string),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| Value::Binary(bytes.into())),
        source,
        (0x23..0x29u64).prop_map(|code| Value::described_list(code, vec![])),
    ]
}

/// Performatives that could be, some with a handle and an id that fit.
fn performative() -> impl Strategy<Value = (u16, u64, Vec<Value>, Vec<u8>)> {
    let code =
        prop::sample::select(vec![0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x12, 0x14]);
    let payload = prop_oneof![
        Just(message("m", Some("s"))),
        Just(Vec::new()),
        prop::collection::vec(any::<u8>(), 0..60),
    ];
    (0..2u16, code, prop::collection::vec(field(), 0..14), payload)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_borne(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        start in 0..4usize,
    ) {
        let service = service();
        let mut client = match start {
            0 => Client::silent(&service),
            1 => Client::open(&service),
            _ => Client::authorized(&service),
        };
        client.say_raw(&bytes);
        client.pass(100_000);
        let mut other = Client::authorized(&service);
        other.attach(0, "q", false);
        prop_assert_eq!(other.hear(0x12).len(), 1);
    }

    #[test]
    fn any_performatives_are_borne(said in prop::collection::vec(performative(), 1..60)) {
        let service = service();
        let mut client = Client::authorized(&service);
        client.attach(0, "q", false);
        client.attach(1, "q", true);
        client.attach_session(2, Value::string("s"));
        for (index, (channel, code, fields, payload)) in said.into_iter().enumerate() {
            let mut bytes = Vec::new();
            let performative = Value::described_list(code, fields);
            frame::append(&mut bytes, Kind::Amqp, channel, &performative, &payload);
            client.say_raw(&bytes);
            if index % 7 == 0 {
                client.pass(20);
            }
            client.settle(0, 100, accepted());
        }
        client.connection.end(client.now);
        let mut other = Client::authorized(&service);
        other.now = client.now;
        other.attach_session(0, Value::string("s"));
        prop_assert_eq!(other.hear(0x16).len(), 0, "the session is free again");
    }
}

#[test]
fn links_and_sessions_have_limits() {
    let mut client = Client::authorized(&service());
    for handle in 0..999 {
        client.attach(handle, "q", false);
        client.read_raw();
    }
    client.attach(999, "q", false);
    client.attach(1000, "q", false);
    assert_eq!(client.only(0x18).condition(0), "amqp:resource-limit-exceeded");

    let mut client = Client::authorized(&service());
    client.begin(5000);
    assert_eq!(client.only(0x18).condition(0), "amqp:not-allowed");
}

#[test]
fn answers_that_are_left_unread_have_a_limit_of_memory() {
    let mut client = Client::authorized(&service());
    client.attach(0, "q", false);
    client.transfer(0, 0, &message(&"x".repeat(200_000)[..50_000], None));
    client.attach(1, "q/$management", false);
    client.attach(2, "q/$management", true);
    let body = Value::string_map([
        ("from-sequence-number", Value::Long(0)),
        ("message-count", Value::Int(1)),
    ]);
    let operation = Value::string("com.microsoft:peek-message");
    let peek = request(Value::Null, &[("operation", operation)], body);
    for id in 0..400 {
        client.transfer(1, id, &peek);
        if let [close] = client.hear(0x18).as_slice() {
            assert!(id > 100, "{id}");
            assert_eq!(close.condition(0), "amqp:resource-limit-exceeded");
            return;
        }
    }
    panic!("nothing stopped it");
}

#[test]
fn a_client_that_does_not_open_is_dropped() {
    let mut client = Client::silent(&service());
    for _ in 0..29 {
        client.pass(1);
        client.say_raw(b"");
        assert!(!client.connection.is_overdue(client.now));
    }
    client.pass(1);
    assert!(client.connection.is_overdue(client.now));
}

#[test]
fn what_is_malformed_ends_the_connection_with_the_reason() {
    for (bytes, condition) in [
        (&b"\x00\x02\x00\x00\x02\x00\x00\x00"[..], "amqp:connection:framing-error"),
        (b"\x00\x00\x00\x0a\x02\x01\x00\x00ab", "amqp:connection:framing-error"),
        (b"\x00\x00\x00\x09\x02\x00\x00\x00\x40", "amqp:decode-error"),
        (b"\x00\x00\x00\x0c\x02\x00\x00\x00\x00\x53\x99\x45", "amqp:decode-error"),
        (b"\x00\x00\x00\x0c\x02\x00\x00\x00\x00\x53\x12\x45", "amqp:decode-error"),
        (b"\x00\x00\x00\x0c\x02\x00\x00\x00\x00\x53\x10\x45", "amqp:not-allowed"),
        (b"\x00\x00\x00\x0c\x02\x00\x00\x07\x00\x53\x17\x45", "amqp:not-allowed"),
    ] {
        let mut client = Client::open(&service());
        client.say_raw(bytes);
        assert_eq!(client.only(0x18).condition(0), condition, "{bytes:?}");
    }
}
