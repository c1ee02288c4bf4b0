//! Deliveries, credit, drain and outcomes.

use std::sync::Arc;

use uuid::Uuid;

use super::client::{Client, accepted, message, service};
use crate::amqp::codec::Value;
use crate::broker::{Entity, QueueEntity, SubQueue};
use crate::service::Service;

fn queue(service: &Service) -> Arc<QueueEntity> {
    let Ok(Entity::Queue(queue)) = service.entity("localhost", "q") else { panic!() };
    Arc::clone(queue)
}

/// A queue with so many messages, and a client that receives from it on handle 1.
fn receiver(count: u32) -> (Arc<QueueEntity>, Client) {
    receiver_of_frames(count, Value::Null)
}

fn receiver_of_frames(count: u32, max_frame: Value) -> (Arc<QueueEntity>, Client) {
    let service = service();
    let mut client = Client::open_with(&service, max_frame).with_token();
    client.attach(0, "q", false);
    for id in 0..count {
        client.transfer(0, id, &message(&id.to_string(), None));
    }
    client.attach(1, "q", true);
    for code in [0x12, 0x13, 0x15] {
        client.hear(code);
    }
    (queue(&service), client)
}

fn counts(queue: &QueueEntity) -> [usize; 4] {
    let queue = queue.queue.lock();
    let main = queue.messages(SubQueue::Main);
    let dead = queue.messages(SubQueue::DeadLetter);
    [main.ready_count(), main.locked_count(), main.deferred_count(), dead.ready_count()]
}

#[test]
fn a_message_is_locked_only_when_there_is_credit_for_it() {
    let (queue, mut client) = receiver(3);
    assert_eq!(client.hear(0x14).len(), 0);
    assert_eq!(counts(&queue), [3, 0, 0, 0]);
    client.credit(1, 0, 2, false);
    assert_eq!(client.hear(0x14).len(), 2);
    assert_eq!(counts(&queue), [1, 2, 0, 0]);
    // Credit counts from what the client has seen.
    client.credit(1, 1, 1, false);
    assert_eq!(client.hear(0x14).len(), 0);
    client.credit(1, 2, 1, false);
    assert_eq!(client.hear(0x14).len(), 1);
}

#[test]
fn a_message_is_locked_only_when_there_is_window_for_it() {
    let (queue, mut client) = receiver(3);
    let flow = [1, 1, 0, 1000, 1, 0, 10].map(Value::Uint).to_vec();
    client.say(0x13, flow);
    assert_eq!(client.hear(0x14).len(), 1);
    assert_eq!(counts(&queue), [2, 1, 0, 0]);
    let flow = [2, 1].map(Value::Uint).to_vec();
    client.say(0x13, [flow, [0, 1000].map(Value::Uint).to_vec()].concat());
    assert_eq!(client.hear(0x14).len(), 1);
}

#[test]
fn a_delivery_says_what_sdks_read() {
    let (queue, mut client) = receiver(1);
    client.credit(1, 0, 1, false);
    let transfer = client.only(0x14);
    let Value::Binary(tag) = transfer.field(2) else { panic!() };
    let token = Uuid::from_bytes_le((&**tag).try_into().unwrap());
    assert!(queue.queue.lock().is_locked(SubQueue::Main, "0", token));
    assert_eq!(transfer.field(4), &Value::Boolean(false));
    let Some(Value::List(header)) = transfer.message().header else { panic!() };
    assert_eq!(header[4], Value::Uint(0), "the deliveries before this one");
}

#[test]
fn a_large_message_goes_in_frames_that_the_client_takes() {
    let (_, mut client) = receiver_of_frames(0, Value::Uint(512));
    client.transfer(0, 0, &message(&"x".repeat(100), None));
    client.transfer(0, 1, &message(&"y".repeat(2000), None));
    // Only one frame of the second one fits the window; nothing is locked behind it.
    client.say(0x13, [1, 2, 0, 1000, 1, 0, 10].map(Value::Uint).to_vec());
    let mut transfers = client.hear(0x14);
    assert_eq!(transfers.len(), 2);
    client.say(0x13, [3, 1000, 0, 1000].map(Value::Uint).to_vec());
    transfers.extend(client.hear(0x14));
    let more: Vec<_> = transfers.iter().map(|t| t.field(5) == &Value::Boolean(true)).collect();
    assert!(!more[0] && more[1] && !more[more.len() - 1]);
    let payload: Vec<u8> = transfers[1..].iter().flat_map(|t| t.payload.to_vec()).collect();
    let sections = crate::amqp::message::Sections::parse(&payload.into()).unwrap();
    assert_eq!(sections.data.concat(), "y".repeat(2000).as_bytes());
}

#[test]
fn a_drain_is_answered_after_what_is_ready() {
    let (_, mut client) = receiver(2);
    client.credit(1, 0, 10, true);
    assert_eq!(client.hear(0x14).len(), 2);
    let flow = client.only(0x13);
    let link: Vec<_> = (4..9).map(|index| flow.field(index).clone()).collect();
    let uint = Value::Uint;
    assert_eq!(link, [uint(1), uint(10), uint(0), uint(0), Value::Boolean(true)]);
    // The credit is gone.
    client.transfer(0, 9, &message("late", None));
    assert_eq!(client.hear(0x14).len(), 0);
    client.credit(1, 10, 1, true);
    assert_eq!(client.hear(0x14).len(), 1);
    assert_eq!(client.hear(0x13).len(), 1, "also where all credit was used");
}

#[test]
fn receive_and_delete_needs_no_settling() {
    let (queue, mut client) = receiver(1);
    client.attach_with(2, "q", true, |fields| fields[3] = Value::Ubyte(1));
    client.credit(2, 0, 1, false);
    assert_eq!(client.only(0x14).field(4), &Value::Boolean(true));
    assert_eq!(counts(&queue), [0, 0, 0, 0]);
}

#[test]
fn every_outcome_is_carried_out_and_answered_in_kind() {
    let info = Value::symbol_map([
        ("DeadLetterReason", Value::string("bad")),
        ("DeadLetterErrorDescription", Value::string("worse")),
    ]);
    let error = Value::described_list(
        0x1d,
        vec![Value::symbol("com.microsoft:dead-letter"), Value::Null, info],
    );
    let modified = |undeliverable| {
        Value::described_list(0x27, vec![Value::Boolean(true), Value::Boolean(undeliverable)])
    };
    let bare = |code| Value::described_list(code, vec![]);
    for (outcome, answer, expected) in [
        (accepted(), accepted(), [0, 0, 0, 0]),
        (Value::described_list(0x25, vec![error]), bare(0x25), [0, 0, 0, 1]),
        (bare(0x25), bare(0x25), [0, 0, 0, 1]),
        (bare(0x26), bare(0x26), [1, 0, 0, 0]),
        (modified(false), modified(false), [1, 0, 0, 0]),
        (modified(true), modified(true), [0, 0, 1, 0]),
    ] {
        let (queue, mut client) = receiver(1);
        client.credit(1, 0, 1, false);
        let Value::Uint(id) = *client.only(0x14).field(1) else { panic!() };
        client.settle(id, id, outcome.clone());
        let disposition = client.only(0x15);
        let settled =
            [Value::Boolean(false), Value::Uint(id), Value::Uint(id), Value::Boolean(true)];
        assert_eq!(disposition.fields[..4], settled, "{outcome:?}");
        assert_eq!(disposition.field(4), &answer, "{outcome:?}");
        assert_eq!(counts(&queue), expected, "{outcome:?}");
    }
}

#[test]
fn answers_that_are_alike_go_out_as_one() {
    let (queue, mut client) = receiver(5);
    client.credit(1, 0, 5, false);
    assert_eq!(client.hear(0x14).len(), 5);
    client.settle(0, u32::MAX, accepted());
    let disposition = client.only(0x15);
    assert_eq!((disposition.field(1), disposition.field(2)), (&Value::Uint(1), &Value::Uint(5)));
    assert_eq!(counts(&queue), [0, 0, 0, 0]);
}

#[test]
fn a_lost_lock_is_told() {
    let (queue, mut client) = receiver(1);
    client.credit(1, 0, 1, false);
    let Value::Uint(id) = *client.only(0x14).field(1) else { panic!() };
    // The credit is used up, so it does not come again.
    client.pass(60);
    client.settle(id, id, accepted());
    let (code, outcome) =
        client.only(0x15).field(4).described().map(|(c, o)| (c, o.clone())).unwrap();
    assert_eq!(code, 0x25);
    let (_, error) = outcome.as_elements().unwrap()[0].described().unwrap();
    assert_eq!(error.as_elements().unwrap()[0], Value::symbol("com.microsoft:message-lock-lost"));
    assert_eq!(counts(&queue), [1, 0, 0, 0]);
}

#[test]
fn messages_of_a_link_that_is_gone_stay_locked_until_their_time() {
    let (queue, mut client) = receiver(1);
    client.credit(1, 0, 1, false);
    client.say(0x16, vec![Value::Uint(1), Value::Boolean(true)]);
    assert_eq!(counts(&queue), [0, 1, 0, 0]);
    client.attach(2, "q", true);
    client.credit(2, 0, 1, false);
    assert_eq!(client.hear(0x14).len(), 1);
    client.pass(60);
    let again = client.only(0x14);
    let Some(Value::List(header)) = again.message().header else { panic!() };
    assert_eq!(header[4], Value::Uint(1));
}

#[test]
fn a_client_that_does_not_read_gets_no_more_and_locks_no_more() {
    let (queue, mut client) = receiver(0);
    for id in 0..20 {
        client.transfer(0, id, &message(&"x".repeat(50_000), None));
    }
    client.say(0x13, [1, 5000, 0, 1000, 1, 0, 100].map(Value::Uint).to_vec());
    let [ready, locked, ..] = counts(&queue);
    assert!(ready > 0 && locked < 15, "{ready} {locked}");
    assert!(client.connection.is_congested());
    while counts(&queue)[0] > 0 {
        assert!(!client.read_raw().is_empty());
    }
}
