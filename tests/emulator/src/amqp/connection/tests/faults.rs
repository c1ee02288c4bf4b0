//! Faults on demand, and what the journal says.

use std::sync::Arc;
use std::time::Duration;

use super::client::{Client, START, accepted, message, service};
use crate::amqp::codec::Value;
use crate::broker::{Entity, SubQueue};
use crate::service::{Armed, Ending, Fault, Moment, Operation, Service};

fn arm(service: &Service, operation: Operation, fault: Fault) {
    service.faults().lock().arm(Armed {
        entity: None,
        operation: Some(operation),
        fault,
        remaining: Some(1),
        chance: None,
        fired: 0,
        description: serde_json::Value::Null,
    });
}

fn status(condition: &str, store: bool) -> Fault {
    Fault::Ending(Ending::Status {
        status: 503,
        condition: condition.to_owned(),
        detail: "as told".to_owned(),
        headers: Vec::new(),
        store,
    })
}

/// The latest entries of the journal: operation, failed check, what became of it.
fn journal(service: &Service, count: usize) -> Vec<(String, Option<&'static str>, String)> {
    let journal = service.journal().lock();
    let entries = journal.latest(count);
    let entry = |entry: &crate::service::Entry| {
        assert_eq!(entry.asked.protocol(), "amqp");
        let operation = entry.asked.operation().to_owned();
        (operation, entry.failed.map(crate::service::Check::name), entry.verdict.clone())
    };
    entries.map(entry).collect()
}

fn ready(service: &Service) -> usize {
    let Ok(Entity::Queue(queue)) = service.entity("localhost", "q") else { panic!() };
    queue.queue.lock().messages(SubQueue::Main).ready_count()
}

fn sender(service: &Arc<Service>) -> Client {
    let mut client = Client::authorized(service);
    client.attach(0, "q", false);
    client.hear(0x12);
    client
}

/// A client that has received one message, and its number.
fn receiver(service: &Arc<Service>) -> (Client, u32) {
    let mut client = sender(service);
    client.transfer(0, 0, &message("m", None));
    client.attach(1, "q", true);
    client.credit(1, 0, 1, false);
    let Value::Uint(id) = *client.only(0x14).field(1) else { panic!() };
    for code in [0x12, 0x15] {
        client.hear(code);
    }
    (client, id)
}

/// The condition of the error in a rejected outcome.
fn rejected(client: &mut Client) -> String {
    let disposition = client.only(0x15);
    let Some((0x25, outcome)) = disposition.field(4).described() else { panic!("{disposition:?}") };
    let (_, error) = outcome.as_elements().unwrap()[0].described().unwrap();
    error.as_elements().unwrap()[0].as_text().unwrap().to_owned()
}

#[test]
fn what_clients_do_is_noted() {
    let service = service();
    let (mut client, id) = receiver(&service);
    client.settle(id, id, accepted());
    client.attach(2, "nothing", true);
    let note =
        |operation: &str, failed, words: &str| (operation.to_owned(), failed, words.to_owned());
    let gone = "40400: The messaging entity 'sb://localhost/nothing' could not be found.";
    assert_eq!(
        journal(&service, 10),
        [
            note("put_token", None, "accepted"),
            note("attach", None, "the client sends"),
            note("send", None, "stored"),
            note("attach", None, "the client receives"),
            note("peek_lock", None, "delivered m"),
            note("complete", None, "settled"),
            note("attach", Some("entity"), gone),
        ]
    );
}

#[test]
fn the_next_attach_is_refused() {
    let service = service();
    arm(&service, Operation::Attach, status("com.microsoft:server-busy", false));
    let mut client = Client::authorized(&service);
    client.attach(0, "q", false);
    assert_eq!(client.only(0x16).condition(2), "com.microsoft:server-busy");
    client.attach(1, "q", false);
    assert_eq!(client.hear(0x16).len(), 0);
    assert_eq!(journal(&service, 2)[0].1, Some("fault"));
}

#[test]
fn a_send_is_refused_whether_it_was_stored_or_not() {
    for store in [false, true] {
        let service = service();
        arm(&service, Operation::Send, status("amqp:internal-error", store));
        let mut client = sender(&service);
        client.transfer(0, 0, &message("m", None));
        assert_eq!(rejected(&mut client), "amqp:internal-error");
        assert_eq!(ready(&service), usize::from(store));
        let words = if store { "stored, " } else { "" };
        let expected = format!("{words}fault: amqp:internal-error");
        assert_eq!(journal(&service, 1), [("send".to_owned(), Some("fault"), expected)]);
    }
}

#[test]
fn a_fault_does_not_hide_that_a_message_is_wrong() {
    let service = service();
    arm(&service, Operation::Send, status("amqp:internal-error", true));
    let mut client = sender(&service);
    client.transfer(0, 0, b"nonsense");
    assert_eq!(rejected(&mut client), "amqp:decode-error");
}

#[test]
fn the_connection_is_dropped_after_a_transfer() {
    for (moment, stored) in [(Moment::AfterStoring, 1), (Moment::AfterReading, 0)] {
        let service = service();
        arm(&service, Operation::Send, Fault::Ending(Ending::Reset(moment)));
        let mut client = sender(&service);
        client.read_raw();
        client.transfer(0, 0, &message("m", None));
        assert!(client.connection.resets());
        assert_eq!(client.read_raw(), b"");
        assert_eq!(ready(&service), stored);
    }
}

#[test]
fn the_connection_is_dropped_after_a_delivery() {
    let service = service();
    let fault = Fault::Ending(Ending::Reset(Moment::AfterStoring));
    arm(&service, Operation::PeekLock, fault);
    let (client, _) = receiver(&service);
    assert!(client.connection.resets());
    assert_eq!(ready(&service), 0, "it is locked");
}

#[test]
fn a_lock_is_lost_before_it_is_settled_or_renewed() {
    let service = service();
    arm(&service, Operation::Complete, Fault::LoseLock);
    let (mut client, id) = receiver(&service);
    client.settle(id, id, accepted());
    assert_eq!(rejected(&mut client), "com.microsoft:message-lock-lost");
    assert_eq!(ready(&service), 1);

    arm(&service, Operation::Complete, Fault::LoseLock);
    client.attach(5, "sessions", false);
    client.transfer(5, 0, &message("m", Some("s")));
    client.hear(0x15);
    client.attach_session(6, Value::string("s"));
    client.credit(6, 0, 1, false);
    let Value::Uint(id) = *client.only(0x14).field(1) else { panic!() };
    client.settle(id, id, accepted());
    assert_eq!(rejected(&mut client), "com.microsoft:session-lock-lost");
    assert_eq!(client.only(0x16).condition(2), "com.microsoft:session-lock-lost");
}

#[test]
fn a_request_waits_and_what_comes_after_it_too() {
    let service = service();
    arm(&service, Operation::Send, Fault::Delay(Duration::from_secs(2)));
    let mut client = sender(&service);
    client.transfer(0, 0, &message("a", None));
    client.transfer(0, 1, &message("b", None));
    assert_eq!(client.connection.next_wakeup(), START + Duration::from_secs(2));
    assert_eq!((client.hear(0x15).len(), ready(&service)), (0, 0));
    client.pass(2);
    assert_eq!((client.hear(0x15).len(), ready(&service)), (2, 2));
}

#[test]
fn a_delivery_is_late_or_never_comes() {
    let service = service();
    arm(&service, Operation::PeekLock, Fault::Delay(Duration::from_secs(2)));
    let mut client = sender(&service);
    client.transfer(0, 0, &message("m", None));
    client.attach(1, "q", true);
    client.credit(1, 0, 1, false);
    assert_eq!(client.hear(0x14).len(), 0);
    client.pass(2);
    assert_eq!(client.hear(0x14).len(), 1);

    arm(&service, Operation::PeekLock, Fault::Ending(Ending::Stall { store: false }));
    client.transfer(0, 1, &message("n", None));
    client.credit(1, 1, 1, false);
    assert_eq!((client.hear(0x14).len(), ready(&service)), (0, 0));
}
