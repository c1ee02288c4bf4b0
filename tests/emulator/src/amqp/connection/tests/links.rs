//! Attaching, refusing, detaching, sessions of receivers.

use super::client::{Client, accepted, message, service};
use crate::amqp::codec::Value;

#[test]
fn a_link_that_cannot_be_is_attached_without_its_node_and_detached_with_the_reason() {
    let mut client = Client::authorized(&service());
    for (handle, address, receives, condition) in [
        (0, "nothing", true, "amqp:not-found"),
        (1, "nothing", false, "amqp:not-found"),
        (2, "t", true, "amqp:not-allowed"),
        (3, "t/subscriptions/s", false, "amqp:not-allowed"),
        (4, "q/$DeadLetterQueue", false, "amqp:not-allowed"),
        (5, "sessions", true, "amqp:not-allowed"),
        (6, "", false, "amqp:not-found"),
    ] {
        client.attach(handle, address, receives);
        let attach = client.only(0x12);
        let (own, other) = if receives { (5, 6) } else { (6, 5) };
        assert_eq!(attach.field(own), &Value::Null, "{address}");
        assert_ne!(attach.field(other), &Value::Null, "{address}");
        let detach = client.only(0x16);
        assert_eq!(detach.field(1), &Value::Boolean(true));
        assert_eq!(detach.condition(2), condition, "{address}");
        // The client's detach is the answer to ours; rhea hangs if it is answered again.
        client.say(0x16, vec![Value::Uint(handle), Value::Boolean(true)]);
        assert_eq!(client.hear(0x16).len(), 0);
        // The handle is free again.
        client.attach(handle, "q", true);
        assert_eq!(client.hear(0x16).len(), 0);
        assert_eq!(client.hear(0x12).len(), 1);
    }
}

#[test]
fn transactions_are_refused() {
    let mut client = Client::authorized(&service());
    client.attach_with(0, "x", false, |fields| fields[6] = Value::described_list(0x30, vec![]));
    assert_eq!(client.only(0x16).condition(2), "amqp:not-implemented");
}

#[test]
fn a_detach_is_answered() {
    let mut client = Client::authorized(&service());
    client.attach(0, "q", false);
    client.say(0x16, vec![Value::Uint(0), Value::Boolean(true)]);
    assert_eq!(client.only(0x16).fields, [Value::Uint(0), Value::Boolean(true)]);
    client.say(0x16, vec![Value::Uint(0), Value::Boolean(true)]);
    assert_eq!(client.only(0x17).condition(0), "amqp:session:unattached-handle");
}

#[test]
fn a_session_is_named_in_the_form_in_which_it_was_asked_for() {
    let described = |value| Value::Described(Box::new((Value::Ulong(0x137_0000_000c), value)));
    let bare = |value| value;
    for form in [&described as &dyn Fn(Value) -> Value, &bare] {
        for asked in [Value::Null, Value::string("a")] {
            let service = service();
            let mut client = Client::authorized(&service);
            client.attach(0, "sessions", false);
            client.transfer(0, 0, &message("m", Some("a")));
            client.hear(0x12);
            client.attach_session(1, form(asked));
            let attach = client.only(0x12);
            let (_, source) = attach.field(5).described().unwrap();
            let filter = source.as_elements().unwrap()[7].get("com.microsoft:session-filter");
            assert_eq!(filter, Some(&form(Value::string("a"))));
            let ticks = attach.field(13).get("com.microsoft:locked-until-utc").unwrap();
            // 2027-01-15T08:01:00Z in tenths of microseconds since the year 1.
            assert_eq!(ticks, &Value::Long(639_355_968_600_000_000));
        }
    }
}

#[test]
fn a_session_that_another_holds_is_refused_and_a_free_one_is_waited_for() {
    let service = service();
    let mut first = Client::authorized(&service);
    first.attach_session(0, Value::string("a"));
    assert_eq!(first.hear(0x12).len(), 1);

    let mut second = Client::authorized(&service);
    second.attach_session(0, Value::string("a"));
    assert_eq!(second.only(0x16).condition(2), "com.microsoft:session-cannot-be-locked");
    second.hear(0x12);
    second.attach_session(1, Value::Null);
    second.credit(1, 0, 1, false);
    second.pass(4);
    assert_eq!(second.hear(0x12).len(), 0);
    first.attach(1, "sessions", false);
    first.transfer(1, 0, &message("m", Some("b")));
    assert_eq!(second.hear(0x12).len(), 1);
    assert_eq!(second.only(0x14).message().data, [&b"m"[..]]);

    second.attach_session(2, Value::Null);
    second.pass(5);
    assert_eq!(second.only(0x16).condition(2), "com.microsoft:timeout");
}

#[test]
fn a_session_is_free_again_when_its_link_its_session_or_its_connection_is_gone() {
    let service = service();
    for how in ["detach", "end", "close", "gone", "lock"] {
        let mut first = Client::authorized(&service);
        first.attach_session(0, Value::string("a"));
        assert_eq!(first.hear(0x16).len(), 0, "{how}");
        let mut second = Client::authorized(&service);
        match how {
            "detach" => first.say(0x16, vec![Value::Uint(0), Value::Boolean(true)]),
            "end" => first.say(0x17, vec![]),
            "close" => first.say(0x18, vec![]),
            "gone" => first.connection.end(first.now),
            _ => {
                first.pass(60);
                second.pass(60);
                assert_eq!(first.only(0x16).condition(2), "com.microsoft:session-lock-lost");
            }
        }
        second.attach_session(0, Value::string("a"));
        assert_eq!(second.hear(0x16).len(), 0, "{how}");
        second.connection.end(second.now);
    }
}

#[test]
fn an_unknown_handle_ends_the_session_and_the_connection_goes_on() {
    let mut client = Client::authorized(&service());
    client.credit(7, 0, 1, false);
    assert_eq!(client.only(0x17).condition(0), "amqp:session:unattached-handle");
    // What was in flight is ignored until the client ends the session too.
    client.settle(0, 5, accepted());
    client.say(0x17, vec![]);
    client.begin(0);
    client.attach(0, "q", false);
    assert_eq!(client.hear(0x17).len(), 0);
    assert_eq!(client.hear(0x12).len(), 1);
}
