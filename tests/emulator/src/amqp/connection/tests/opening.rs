//! Protocol headers, SASL, open, tokens.

use std::time::Duration;

use bytes::Bytes;

use super::client::{Client, START, sas, sas_until, service};
use crate::amqp::codec::Value;

const SASL: &[u8] = b"AMQP\x03\x01\x00\x00";
const AMQP: &[u8] = b"AMQP\x00\x01\x00\x00";

fn sasl(mechanism: &str, response: &[u8]) -> (Client, u8) {
    let mut client = Client::silent(&service());
    client.say_raw(SASL);
    assert!(client.read_raw().starts_with(SASL));
    let response = Value::Binary(Bytes::copy_from_slice(response));
    client.say(0x41, vec![Value::symbol(mechanism), response]);
    let Value::Ubyte(code) = *client.only(0x44).field(0) else { panic!() };
    (client, code)
}

#[test]
fn every_mechanism_that_sdks_use_is_taken() {
    for mechanism in ["MSSBCBS", "ANONYMOUS", "EXTERNAL"] {
        let (mut client, code) = sasl(mechanism, b"");
        assert_eq!(code, 0, "{mechanism}");
        client.say_raw(AMQP);
        assert_eq!(client.read_raw(), AMQP);
    }
}

#[test]
fn a_name_and_a_key_are_verified() {
    for (response, expected) in [
        (&b"\0all\0key"[..], 0),
        (b"\0all\0wrong", 1),
        (b"\0unknown\0key", 1),
        (b"all", 1),
        (b"\0\xff\0key", 1),
    ] {
        let (client, code) = sasl("PLAIN", response);
        assert_eq!(code, expected, "{response:?}");
        assert_eq!(client.connection.is_finished(), expected == 1);
    }
    let (mut client, _) = sasl("PLAIN", b"\0listen\0key2");
    client.say_raw(AMQP);
    client.read_raw();
    client.say(0x10, vec![Value::string("c"), Value::string("localhost")]);
    client.begin(0);
    client.attach(0, "q", true);
    client.attach(1, "q", false);
    assert_eq!(client.hear(0x12).len(), 2);
    assert_eq!(client.only(0x16).condition(2), "amqp:unauthorized-access");
}

#[test]
fn another_protocol_is_told_ours() {
    for header in [&b"AMQP\x02\x01\x00\x00"[..], b"AMQP\x00\x00\x09\x01", b"GET / HT"] {
        let mut client = Client::silent(&service());
        client.say_raw(header);
        assert_eq!(client.read_raw(), SASL);
        assert!(client.connection.is_finished());
    }
}

#[test]
fn a_client_that_announces_its_patience_gets_heartbeats() {
    let mut client = Client::silent(&service());
    client.say_raw(AMQP);
    let mut open = vec![Value::string("c"), Value::string("localhost")];
    open.extend([Value::Null, Value::Null, Value::Uint(30_000)]);
    client.say(0x10, open);
    client.read_raw();
    assert_eq!(client.connection.next_wakeup(), START + Duration::from_secs(15));
    client.pass(14);
    assert_eq!(client.read_raw(), b"");
    client.pass(1);
    assert_eq!(client.read_raw(), b"\x00\x00\x00\x08\x02\x00\x00\x00");
}

#[test]
fn silence_ends_a_connection_and_a_session_on_it_is_kept_until_then() {
    let mut client = Client::authorized(&service());
    client.pass(479);
    assert_eq!(client.hear(0x18).len(), 0);
    client.pass(1);
    assert!(!client.connection.is_overdue(client.now), "there is time to say why");
    assert_eq!(client.only(0x18).condition(0), "amqp:connection:forced");
}

#[test]
fn a_close_is_answered_however_long_the_connection_was_open() {
    let mut client = Client::open(&service());
    client.pass(100);
    client.say(0x18, vec![]);
    assert_eq!(client.only(0x18).fields, []);
    assert!(client.connection.is_finished());
    assert!(!client.connection.is_overdue(client.now), "there is time to write it");
}

#[test]
fn tokens_are_verified() {
    let seconds = START.unix_seconds();
    for (audience, token, status) in [
        ("sb://localhost:5672/q", sas("all", "key", "sb://localhost:5672/q"), 202),
        ("amqps://localhost/q", sas("all", "key", "amqp://localhost/q"), 202),
        ("amqp://localhost/q/$management", sas("all", "key", "sb://localhost/q"), 202),
        ("sb://localhost/", sas("listen", "key2", "sb://localhost/"), 202),
        ("sb://localhost/q", sas("all", "wrong", "sb://localhost/q"), 401),
        ("sb://localhost/q", sas("all", "key", "sb://localhost/t"), 401),
        ("sb://localhost/q", sas_until("all", "key", "sb://localhost/q", seconds), 401),
        ("sb://localhost/q", "nonsense".to_owned(), 401),
        ("sb://localhost/a//b", sas("all", "key", "sb://localhost/"), 400),
    ] {
        let mut client = Client::open(&service());
        assert_eq!(client.put_token(audience, &token), status, "{audience} {token}");
    }
}

#[test]
fn a_token_opens_what_it_was_put_for() {
    let mut client = Client::open(&service());
    client.put_token("sb://localhost/q", &sas("all", "key", "sb://localhost/"));
    client.attach(0, "q", true);
    client.attach(1, "q/$DeadLetterQueue", true);
    assert_eq!(client.hear(0x16).len(), 0);
    client.attach(2, "t", false);
    assert_eq!(client.only(0x16).condition(2), "amqp:unauthorized-access");
    // What it may not touch it may not know of.
    client.attach(3, "nothing", false);
    assert_eq!(client.only(0x16).condition(2), "amqp:unauthorized-access");
}

#[test]
fn the_end_of_a_token_ends_its_links_unless_another_one_came() {
    let mut client = Client::open(&service());
    let seconds = START.unix_seconds();
    let until = |life| sas_until("all", "key", "sb://localhost/", seconds + life);
    client.put_token("sb://localhost/q", &until(60));
    client.attach(0, "q", true);
    assert_eq!(client.connection.next_wakeup(), START + Duration::from_secs(60));
    client.put_token("sb://localhost/q", &until(120));
    client.pass(60);
    assert_eq!(client.hear(0x16).len(), 0);
    client.pass(60);
    assert_eq!(client.only(0x16).condition(2), "amqp:unauthorized-access");
}
