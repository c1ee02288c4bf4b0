//! Receiving and settling.

use std::io::Write;
use std::time::Duration;

use serde_json::json;

use crate::client::{Answer, HOST, connect, read, request};
use crate::emulator::{Emulator, token};

/// The path of a locked message, from its `Location`.
pub(crate) fn lock_path(locked: &Answer) -> String {
    let location = locked.header("Location").unwrap();
    location.strip_prefix(&format!("http://{HOST}")).unwrap().to_owned()
}

#[test]
fn a_received_message_has_the_headers_that_azure_gives_it() {
    let emulator = Emulator::start();
    let broker = r#"{"MessageId":"m-1","Label":"\u00e9","TimeToLive":90,"CorrelationId":"c"}"#;
    let headers = [
        ("Content-Type", "text/plain"),
        ("BrokerProperties", broker),
        ("Hello", r#""say \"hi\"""#),
        ("number", "42"),
        ("ratio", "2.50"),
        ("active", "true"),
    ];
    assert_eq!(emulator.ask("POST /events/messages", &headers, b"body").status, 201);
    let answer = emulator.receive("events");
    assert_eq!((answer.status, answer.text()), (200, "body"));
    let properties = answer.header("BrokerProperties").unwrap();
    let enqueued = answer.broker_properties()["EnqueuedTimeUtc"].as_str().unwrap().to_owned();
    assert_eq!(
        properties,
        format!(
            r#"{{"CorrelationId":"c","DeliveryCount":1,"EnqueuedSequenceNumber":0,"EnqueuedTimeUtc":"{enqueued}","Label":"\u00e9","MessageId":"m-1","SequenceNumber":1,"State":"Active","TimeToLive":90}}"#
        )
    );
    assert!(enqueued.ends_with(" GMT"));
    assert_eq!(answer.header("Content-Type"), Some("text/plain"));
    assert_eq!(answer.header("Hello"), Some(r#""say \"hi\"""#));
    assert_eq!(answer.header("number"), Some("42"));
    assert_eq!(answer.header("ratio"), Some("2.5"));
    assert_eq!(answer.header("active"), Some("true"));
    assert_eq!(answer.header("Location"), None);
    assert_eq!(emulator.receive("events").status, 204);
}

#[test]
fn what_a_header_cannot_carry_is_escaped_or_left_out() {
    let emulator = Emulator::start();
    let batch = ("Content-Type", "application/vnd.microsoft.servicebus.json");
    let body = r#"[{"Body":"é","UserProperties":{"Name":"日\\","cloudEvents:id":"a"}}]"#;
    assert_eq!(emulator.ask("POST /events/messages", &[batch], body.as_bytes()).status, 201);
    let answer = emulator.receive("events");
    assert_eq!(answer.text(), "é");
    assert_eq!(answer.header("Name"), Some(r#""\u65e5\\""#));
    assert_eq!(answer.header("Content-Type"), Some("application/xml; charset=utf-8"));
    assert!(!answer.headers.iter().any(|(name, _)| name.contains("cloudEvents")));
}

#[test]
fn an_empty_queue_answers_204() {
    let emulator = Emulator::start();
    let answer = emulator.receive("events");
    assert_eq!((answer.status, answer.text()), (204, ""));
    assert_eq!(answer.header("Content-Length"), Some("0"));
    assert_eq!(answer.header("Content-Type"), Some("application/xml; charset=utf-8"));
    assert_eq!(emulator.verdict(), "no message");
}

#[test]
fn a_locked_message_is_renewed_abandoned_and_completed() {
    let emulator = Emulator::start();
    emulator.send("orders", "m-1", &[], b"one");
    let locked = emulator.peek_lock("orders");
    assert_eq!((locked.status, locked.text()), (201, "one"));
    let properties = locked.broker_properties();
    let token = properties["LockToken"].as_str().unwrap();
    assert!(properties["LockedUntilUtc"].as_str().unwrap().ends_with(" GMT"));
    assert_eq!(lock_path(&locked), format!("/orders/messages/1/{token}"));
    assert_eq!(emulator.peek_lock("orders").status, 204);
    assert_eq!(emulator.admin("GET entities", "")["orders"]["locked"], 1);
    assert_eq!(emulator.admin("GET entities/orders/messages", "")[0]["state"], "locked");

    let path = lock_path(&locked);
    assert_eq!(emulator.ask(&format!("POST {path}"), &[], b"").status, 200);
    assert_eq!(emulator.ask(&format!("PUT {path}"), &[], b"").status, 200);
    let again = emulator.peek_lock("orders");
    assert_eq!(again.broker_properties()["DeliveryCount"], 2);
    assert_ne!(lock_path(&again), path);

    let gone = "The lock supplied is invalid. Either the lock expired, or the message has already \
                been removed from the queue.";
    for method in ["POST", "PUT", "DELETE"] {
        let answer = emulator.ask(&format!("{method} {path}"), &[], b"");
        assert_eq!((answer.status, answer.detail().as_str()), (404, gone), "{method}");
    }
    // By its message id this time.
    let by_id = lock_path(&again).replace("/messages/1/", "/messages/m-1/");
    assert_eq!(emulator.ask(&format!("DELETE {by_id}"), &[], b"").status, 200);
    assert_eq!(emulator.admin("GET entities", "")["orders"]["locked"], 0);
    assert_eq!(emulator.receive("orders").status, 204);
}

#[test]
fn a_message_that_is_abandoned_too_often_is_in_the_dead_letter_queue() {
    let emulator = Emulator::start();
    emulator.send("quick", "m-1", &[("tenant", "\"a\"")], b"one");
    for _ in 0..3 {
        let path = lock_path(&emulator.peek_lock("quick"));
        assert_eq!(emulator.ask(&format!("PUT {path}"), &[], b"").status, 200);
    }
    assert_eq!(emulator.peek_lock("quick").status, 204);
    assert_eq!(emulator.admin("GET entities", "")["quick"]["dead_lettered"], 1);
    let peeked = emulator.admin("GET entities/quick/$DeadLetterQueue/messages", "");
    assert_eq!(
        peeked[0]["properties"],
        json!({
            "tenant": "a",
            "DeadLetterReason": "MaxDeliveryCountExceeded",
            "DeadLetterErrorDescription": "Message could not be consumed after 3 delivery attempts.",
        })
    );
    let locked = emulator.peek_lock("quick/$DeadLetterQueue");
    assert_eq!(locked.header("DeadLetterReason"), Some("\"MaxDeliveryCountExceeded\""));
    let path = lock_path(&locked);
    assert!(path.starts_with("/quick/$DeadLetterQueue/messages/1/"), "{path}");
    assert_eq!(emulator.ask(&format!("DELETE {path}"), &[], b"").status, 200);
    assert_eq!(emulator.receive("quick/$deadletterqueue").status, 204);
}

#[test]
fn a_receiver_waits_for_a_message() {
    let emulator = Emulator::start();
    let token = token();
    let wait =
        request("DELETE /events/messages/head?timeout=15", &[("Authorization", &token)], b"");
    let mut receiver = connect(emulator.port);
    receiver.write_all(&wait).unwrap();
    emulator.send("events", "m-1", &[], b"at last");
    let answer = read(&mut receiver).unwrap();
    assert_eq!((answer.status, answer.text()), (200, "at last"));
}

#[test]
fn a_receiver_that_left_takes_no_message() {
    let emulator = Emulator::start();
    let token = token();
    let wait =
        request("DELETE /events/messages/head?timeout=15", &[("Authorization", &token)], b"");
    let mut leaver = connect(emulator.port);
    leaver.write_all(&wait).unwrap();
    let mut stayer = connect(emulator.port);
    stayer.write_all(&wait).unwrap();
    drop(leaver);
    // Any answer shows that the emulator has been round all its connections.
    emulator.admin("GET health", "");
    emulator.send("events", "m-1", &[], b"one");
    assert_eq!(read(&mut stayer).unwrap().text(), "one");
}

#[test]
fn a_scheduled_message_wakes_a_waiting_receiver() {
    let emulator = Emulator::start();
    let due = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(2));
    let broker = format!(r#"{{"ScheduledEnqueueTimeUtc":"{due}"}}"#);
    let sent = emulator.ask("POST /events/messages", &[("BrokerProperties", &broker)], b"later");
    assert_eq!(sent.status, 201);
    assert_eq!(emulator.admin("GET entities", "")["events"]["scheduled"], 1);
    let peeked = emulator.admin("GET entities/events/messages", "");
    assert_eq!(peeked[0]["state"], "scheduled");
    assert_eq!(peeked[0]["broker_properties"]["State"], "Scheduled");
    let answer = emulator.ask("DELETE /events/messages/head?timeout=15", &[], b"");
    assert_eq!((answer.status, answer.text()), (200, "later"));
    assert_eq!(answer.broker_properties()["EnqueuedTimeUtc"], due.as_str());
}

#[test]
fn an_expired_message_is_dead_lettered() {
    let emulator = Emulator::start();
    let headers = [("BrokerProperties", r#"{"TimeToLive":1}"#)];
    assert_eq!(emulator.ask("POST /orders/messages", &headers, b"one").status, 201);
    let answer = emulator.ask("DELETE /orders/$DeadLetterQueue/messages/head?timeout=15", &[], b"");
    assert_eq!((answer.status, answer.text()), (200, "one"));
    assert_eq!(answer.header("DeadLetterReason"), Some("\"TTLExpiredException\""));
    assert_eq!(
        answer.header("DeadLetterErrorDescription"),
        Some("\"The message expired and was dead lettered.\"")
    );
}

#[test]
fn sessions_cannot_be_received_over_http() {
    let emulator = Emulator::start();
    let answer = emulator.receive("sessions");
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.detail(),
        "It is not possible for an entity that requires sessions to create a non-sessionful \
         message receiver."
    );
}

#[test]
fn a_receiver_sends_no_body() {
    let emulator = Emulator::start();
    let answer = emulator.ask("POST /events/messages/head", &[], b"x");
    assert_eq!(answer.status, 400);
    assert_eq!(answer.detail(), "A request to receive or settle has no body.");
}
