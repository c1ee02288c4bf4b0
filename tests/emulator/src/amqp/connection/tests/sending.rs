//! What clients send.

use bytes::Bytes;

use super::client::{Client, accepted, message, service};
use crate::amqp::codec::{Value, encode};

fn sender(address: &str) -> Client {
    let mut client = Client::authorized(&service());
    client.attach(0, address, false);
    let flow = client.only(0x13);
    assert_eq!((flow.field(4), flow.field(6)), (&Value::Uint(0), &Value::Uint(1000)));
    client
}

/// Bodies that a new receiver gets.
fn received(client: &mut Client, address: &str) -> Vec<Vec<u8>> {
    client.attach_with(5, address, true, |fields| fields[3] = Value::Ubyte(1));
    client.credit(5, 0, 100, false);
    client.hear(0x14).iter().map(|transfer| transfer.message().data.concat()).collect()
}

#[test]
fn what_is_sent_is_accepted_and_received() {
    let mut client = sender("q");
    client.transfer(0, 3, &message("a", None));
    let answer =
        [Value::Boolean(true), Value::Uint(3), Value::Null, Value::Boolean(true), accepted()];
    assert_eq!(client.only(0x15).fields, answer);
    assert_eq!(received(&mut client, "q"), [b"a"]);
}

#[test]
fn a_message_may_come_in_several_frames_or_be_given_up() {
    let mut client = sender("q");
    let payload = message("whole", None);
    let part = |client: &mut Client, range: std::ops::Range<usize>, more, aborted| {
        let mut fields = vec![Value::Uint(0), Value::Uint(0), Value::Binary(Bytes::new())];
        fields.resize(10, Value::Null);
        fields[5] = Value::Boolean(more);
        fields[9] = Value::Boolean(aborted);
        client.say_with(0, 0x14, fields, &payload[range]);
    };
    part(&mut client, 0..9, true, false);
    part(&mut client, 0..0, false, true);
    part(&mut client, 0..9, true, false);
    part(&mut client, 9..15, true, false);
    assert_eq!(client.hear(0x15).len(), 0);
    part(&mut client, 15..payload.len(), false, false);
    assert_eq!(client.hear(0x15).len(), 1);
    assert_eq!(received(&mut client, "q"), [b"whole"]);
}

#[test]
fn a_batch_is_stored_whole_or_not_at_all() {
    let data = |bytes: Vec<u8>| {
        Value::Described(Box::new((Value::Ulong(0x75), Value::Binary(bytes.into()))))
    };
    let batch = |messages: [Vec<u8>; 2]| {
        let mut payload = Vec::new();
        for message in messages {
            encode(&data(message), &mut payload);
        }
        payload
    };
    let mut client = sender("sessions");
    let mut send = |payload: &[u8]| {
        let tag = Value::Binary(Bytes::new());
        let fields = vec![Value::Uint(0), Value::Uint(0), tag, Value::Uint(0x8001_3700)];
        client.say_with(0, 0x14, fields, payload);
        client.only(0x15)
    };
    let refused = send(&batch([message("a", Some("s")), message("b", None)]));
    let (_, outcome) = refused.field(4).described().unwrap();
    let (_, error) = outcome.as_elements().unwrap()[0].described().unwrap();
    assert_eq!(error.as_elements().unwrap()[0], Value::symbol("amqp:not-allowed"));
    assert_eq!(
        send(&batch([message("a", Some("s")), message("b", Some("s"))])).field(4),
        &accepted()
    );
    client.attach_session(5, Value::string("s"));
    client.credit(5, 0, 100, false);
    let bodies: Vec<_> = client.hear(0x14).iter().map(|t| t.message().data.concat()).collect();
    assert_eq!(bodies, [b"a", b"b"]);
}

#[test]
fn credit_is_renewed_and_may_be_ignored() {
    let mut client = sender("q");
    for id in 0..1600 {
        client.transfer(0, id, &message("m", None));
    }
    assert_eq!(client.hear(0x15).len(), 1600);
    let flows = client.hear(0x13);
    assert_eq!(flows.iter().filter(|flow| *flow.field(6) == Value::Uint(1000)).count(), 3);
    assert_eq!(client.hear(0x16).len(), 0);
}

#[test]
fn the_window_is_renewed() {
    let mut client = sender("q");
    for id in 0..2501 {
        client.transfer(0, id, b"");
    }
    let flows = client.hear(0x13);
    let last = flows.last().unwrap();
    let Value::Uint(next) = last.field(0) else { panic!("{last:?}") };
    assert!(*next > 2000, "{next}");
    assert_eq!(last.field(1), &Value::Uint(5000));
}

#[test]
fn a_message_that_is_too_large_ends_its_link() {
    let mut client = sender("q");
    let mut fields = vec![Value::Uint(0), Value::Uint(0), Value::Binary(Bytes::new())];
    fields.resize(6, Value::Null);
    fields[5] = Value::Boolean(true);
    for _ in 0..5 {
        client.say_with(0, 0x14, fields.clone(), &[0; 60_000]);
    }
    assert_eq!(client.only(0x16).condition(2), "amqp:link:message-size-exceeded");
}

#[test]
fn messages_without_an_end_have_a_limit_of_memory() {
    let mut client = Client::authorized(&service());
    let mut handle = 0;
    while !client.connection.is_finished() && handle < 200 {
        client.attach(handle, "q", false);
        let mut fields =
            vec![Value::Uint(handle), Value::Uint(handle), Value::Binary(Bytes::new())];
        fields.resize(6, Value::Null);
        fields[5] = Value::Boolean(true);
        for _ in 0..4 {
            client.say_with(0, 0x14, fields.clone(), &[0; 60_000]);
        }
        if let [close] = client.hear(0x18).as_slice() {
            assert_eq!(close.condition(0), "amqp:resource-limit-exceeded");
            return;
        }
        handle += 1;
    }
    panic!("nothing stopped it");
}
