//! Faults on demand, as a client sees them.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::client::{connect, exchange, read, read_head, request};
use crate::emulator::{Emulator, token};
use crate::receive::lock_path;

fn send_request(body: &[u8]) -> Vec<u8> {
    let token = token();
    let headers =
        [("Authorization", token.as_str()), ("BrokerProperties", r#"{"MessageId":"m-1"}"#)];
    request("POST /orders/messages", &headers, body)
}

/// Reads to the end and says how it came.
fn end(stream: &mut TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut received = Vec::new();
    let mut part = [0; 1024];
    loop {
        match stream.read(&mut part) {
            Ok(0) => return (received, None),
            Ok(length) => received.extend_from_slice(&part[..length]),
            Err(error) => return (received, Some(error.kind())),
        }
    }
}

#[test]
fn a_status_is_answered_as_often_as_ordered() {
    let emulator = Emulator::start();
    emulator.arm(
        r#"{"entity":"Orders","operation":"send","count":2,
            "fault":{"status":429,"detail":"Slow down.","headers":{"Retry-After":"3"}}}"#,
    );
    emulator.send("events", "other", &[], b"");
    for _ in 0..2 {
        let answer = exchange(&mut connect(emulator.port), &send_request(b"a")).unwrap();
        assert_eq!((answer.status, answer.detail().as_str()), (429, "Slow down."));
        assert_eq!(answer.header("Retry-After"), Some("3"));
        assert_eq!(emulator.verdict(), "fault: status 429");
    }
    assert_eq!(exchange(&mut connect(emulator.port), &send_request(b"a")).unwrap().status, 201);
    assert_eq!(emulator.stored("orders"), 1);
    let armed = emulator.admin("GET faults", "");
    assert_eq!((&armed[0]["fired"], &armed[0]["remaining"]), (&json!(2), &json!(0)));
    assert_eq!(armed[0]["order"]["fault"]["status"], 429);
}

#[test]
fn a_status_can_hide_that_the_message_was_stored() {
    let emulator = Emulator::start();
    emulator.arm(r#"{"fault":{"status":500,"store":true},"count":1}"#);
    let mut connection = connect(emulator.port);
    assert_eq!(exchange(&mut connection, &send_request(b"a")).unwrap().status, 500);
    assert_eq!(emulator.verdict(), "stored, fault: status 500");
    // The retry is a duplicate.
    assert_eq!(exchange(&mut connection, &send_request(b"a")).unwrap().status, 201);
    assert_eq!(emulator.verdict(), "duplicate dropped");
    assert_eq!(emulator.stored("orders"), 1);
}

#[test]
fn statuses_have_the_texts_of_azure() {
    let emulator = Emulator::start();
    let throttled = "The request was terminated because the entity is being throttled. Error code: \
                     50009. Please wait 2 seconds and try again.";
    let quota = "The maximum entity size has been reached or exceeded: the quota of the entity is \
                 used up.";
    for (status, detail) in [
        (401, "40103: Invalid authorization token signature."),
        (403, quota),
        (404, "40400: The messaging entity could not be found."),
        (410, "The messaging entity is gone."),
        (429, throttled),
        (503, throttled),
        (500, "The server was unable to process the request; please retry the operation."),
    ] {
        emulator.arm(&format!(r#"{{"fault":{{"status":{status}}},"count":1}}"#));
        let answer = emulator.ask("POST /orders/messages", &[], b"");
        assert_eq!((answer.status, answer.detail().as_str()), (status, detail));
    }
    assert_eq!(emulator.stored("orders"), 0);
}

#[test]
fn a_fault_does_not_hide_that_the_request_is_wrong() {
    let emulator = Emulator::start();
    emulator.arm(r#"{"fault":{"reset":"after_storing"}}"#);
    let answer = emulator.ask("POST /orders/messages", &[("a", "bare")], b"");
    assert_eq!(answer.status, 400);
}

#[test]
fn a_reset_before_reading_comes_before_the_body() {
    let emulator = Emulator::start();
    emulator.arm(r#"{"fault":{"reset":"before_reading"},"count":1}"#);
    let mut connection = connect(emulator.port);
    let whole = send_request(&[b'a'; 1000]);
    // The last byte is never sent, so the reset cannot have waited for it.
    connection.write_all(&whole[..whole.len() - 1]).unwrap();
    assert_eq!(end(&mut connection), (Vec::new(), Some(ErrorKind::ConnectionReset)));
    assert_eq!(emulator.verdict(), "fault: reset before reading");
    assert_eq!(emulator.stored("orders"), 0);
}

#[test]
fn a_reset_after_reading_waits_for_the_body_and_stores_nothing() {
    let emulator = Emulator::start();
    emulator.arm(r#"{"fault":{"reset":"after_reading"},"count":1}"#);
    let mut connection = connect(emulator.port);
    let whole = send_request(b"ab");
    let (most, last) = whole.split_at(whole.len() - 1);
    connection.write_all(most).unwrap();
    emulator.admin("GET health", "");
    assert_eq!(emulator.admin("GET requests", ""), json!([]));
    connection.write_all(last).unwrap();
    assert_eq!(end(&mut connection), (Vec::new(), Some(ErrorKind::ConnectionReset)));
    assert_eq!(emulator.verdict(), "fault: reset");
    assert_eq!(emulator.stored("orders"), 0);
}

#[test]
fn a_reset_after_storing_comes_before_any_answer() {
    let emulator = Emulator::start();
    emulator.arm(r#"{"fault":{"reset":"after_storing"},"count":1}"#);
    let mut connection = connect(emulator.port);
    connection.write_all(&send_request(b"a")).unwrap();
    assert_eq!(end(&mut connection), (Vec::new(), Some(ErrorKind::ConnectionReset)));
    assert_eq!(emulator.verdict(), "stored, fault: reset");
    assert_eq!(emulator.stored("orders"), 1);
    // The retry of one who does not know is a duplicate.
    assert_eq!(exchange(&mut connect(emulator.port), &send_request(b"a")).unwrap().status, 201);
    assert_eq!(emulator.admin("GET stored?entity=orders", "")["duplicates"], 1);
}

#[test]
fn a_reset_after_headers_shows_them_first() {
    let emulator = Emulator::start();
    emulator.arm(r#"{"fault":{"reset":"after_headers"},"count":1}"#);
    let mut connection = connect(emulator.port);
    connection.write_all(&send_request(b"a")).unwrap();
    let head = read_head(&mut connection).unwrap();
    assert!(head.starts_with("HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n"), "{head}");
    assert_eq!(end(&mut connection), (Vec::new(), Some(ErrorKind::ConnectionReset)));
    assert_eq!(emulator.verdict(), "stored, fault: reset after headers");
    assert_eq!(emulator.stored("orders"), 1);
}

#[test]
fn a_stalled_request_is_never_answered() {
    let emulator = Emulator::start();
    emulator.arm(r#"{"fault":{"stall":true},"count":1}"#);
    emulator.arm(r#"{"fault":{"stall":true,"store":true},"count":1}"#);
    for (stored, verdict) in [(0, "fault: stall"), (1, "stored, fault: stall")] {
        let mut connection = connect(emulator.port);
        connection.write_all(&send_request(b"a")).unwrap();
        emulator.wait_until(|| emulator.admin("GET requests", "") != json!([]));
        assert_eq!(emulator.verdict(), verdict);
        connection.set_nonblocking(true).unwrap();
        assert_eq!(end(&mut connection), (Vec::new(), Some(ErrorKind::WouldBlock)));
        assert_eq!(emulator.stored("orders"), stored);
        emulator.admin("DELETE requests", "");
    }
}

#[test]
fn a_delayed_request_goes_its_way_even_if_the_sender_leaves() {
    let emulator = Emulator::start();
    emulator.arm(r#"{"fault":{"delay":"100ms"}}"#);
    assert_eq!(emulator.ask("POST /events/messages", &[], b"").status, 201);
    let mut connection = connect(emulator.port);
    connection.write_all(&send_request(b"a")).unwrap();
    drop(connection);
    emulator.wait_until(|| emulator.stored("orders") == 1);
    assert_eq!(emulator.admin("GET faults", "")[0]["fired"], 2);
}

#[test]
fn a_delay_leads_on_to_the_next_fault() {
    let emulator = Emulator::start();
    emulator.arm(r#"{"fault":{"delay":"0.01s"}}"#);
    emulator.arm(r#"{"operation":"send","fault":{"status":503}}"#);
    assert_eq!(emulator.ask("POST /events/messages", &[], b"").status, 503);
    assert_eq!(emulator.receive("events").status, 204);
    let fired = emulator.admin("GET faults", "");
    assert_eq!((&fired[0]["fired"], &fired[1]["fired"]), (&json!(2), &json!(1)));
}

#[test]
fn a_disarmed_fault_is_gone() {
    let emulator = Emulator::start();
    emulator.arm(r#"{"fault":{"status":503}}"#);
    emulator.admin("DELETE faults", "");
    assert_eq!(emulator.admin("GET faults", ""), json!([]));
    assert_eq!(emulator.ask("POST /events/messages", &[], b"").status, 201);
}

#[test]
fn a_chance_is_drawn_from_the_seed() {
    let statuses = || -> Vec<u16> {
        let emulator = Emulator::start();
        emulator.arm(r#"{"fault":{"status":503},"probability":0.5,"seed":7}"#);
        let mut connection = connect(emulator.port);
        let one = send_request(b"a");
        (0..40).map(|_| exchange(&mut connection, &one).unwrap().status).collect()
    };
    let first = statuses();
    assert!(first.contains(&201) && first.contains(&503), "{first:?}");
    assert_eq!(first, statuses());
}

#[test]
fn faults_are_for_other_operations_too() {
    let emulator = Emulator::start();
    emulator.send("events", "m-1", &[], b"");
    emulator.arm(r#"{"operation":"peek_lock","fault":{"status":500},"count":1}"#);
    emulator.arm(r#"{"operation":"complete","fault":{"status":500,"store":true},"count":1}"#);
    assert_eq!(emulator.peek_lock("events").status, 500);
    let locked = emulator.peek_lock("events");
    let path = locked.header("Location").unwrap().split('/').skip(3).collect::<Vec<_>>().join("/");
    assert_eq!(emulator.ask(&format!("DELETE /{path}"), &[], b"").status, 500);
    assert_eq!(emulator.verdict(), "completed, fault: status 500");
    assert_eq!(emulator.admin("GET entities", "")["events"]["locked"], 0);
}

#[test]
fn a_wrong_order_is_refused_with_the_reason() {
    let emulator = Emulator::start();
    for (order, status, error) in [
        ("", 400, "EOF while parsing a value at line 1 column 0"),
        ("{}", 400, "missing field `fault`"),
        (
            r#"{"fault":{}}"#,
            400,
            "fault: expected exactly one of status or condition, delay, stall, lose_lock, reset",
        ),
        (
            r#"{"fault":{"status":500,"stall":true}}"#,
            400,
            "fault: expected exactly one of status or condition, delay, stall, lose_lock, reset",
        ),
        (
            r#"{"fault":{"status":200}}"#,
            400,
            "fault.status: expected a number from 300 to 599 whose answer has a body",
        ),
        (
            r#"{"fault":{"reset":"sometimes"}}"#,
            400,
            "fault.reset: expected one of before_reading, after_reading, after_storing, \
             after_headers, found \"sometimes\"",
        ),
        (
            r#"{"fault":{"delay":"2 weeks"}}"#,
            400,
            "fault.delay: expected a duration such as \"250ms\" or \"2s\", found \"2 weeks\"",
        ),
        (r#"{"fault":{"stall":false}}"#, 400, "fault.stall: expected true"),
        (
            r#"{"fault":{"delay":"1s","store":true}}"#,
            400,
            "fault: store belongs to a status or a stall",
        ),
        (
            r#"{"fault":{"stall":true,"detail":"x"}}"#,
            400,
            "fault: detail and headers belong to a status",
        ),
        (
            r#"{"fault":{"status":500,"headers":{"a b":"x"}}}"#,
            400,
            "fault.headers.a b: it is no header",
        ),
        (
            r#"{"fault":{"status":500},"operation":"browse"}"#,
            400,
            "operation: expected one of send, receive_and_delete, peek_lock, complete, abandon, \
             renew_lock, attach, defer, dead_letter, manage, found \"browse\"",
        ),
        (
            r#"{"fault":{"status":500},"probability":2}"#,
            400,
            "probability: expected a number from 0 to 1",
        ),
        (r#"{"fault":{"lose_lock":false}}"#, 400, "fault.lose_lock: expected true"),
        (r#"{"fault":{"status":500},"entity":"nothing"}"#, 404, "there is no entity 'nothing'"),
    ] {
        let answer = emulator.ask_admin("POST faults", order);
        assert_eq!(answer.json(), json!({ "error": error }), "{order}");
        assert_eq!(answer.status, status, "{order}");
    }
    assert_eq!(emulator.admin("GET faults", ""), json!([]));
}

#[test]
fn an_answer_can_be_read_after_a_reset_elsewhere() {
    let emulator = Emulator::start();
    let mut calm = connect(emulator.port);
    calm.write_all(&send_request(b"a")).unwrap();
    assert_eq!(read(&mut calm).unwrap().status, 201);
    emulator.arm(r#"{"fault":{"reset":"after_reading"},"count":1}"#);
    let mut struck = connect(emulator.port);
    struck.write_all(&send_request(b"a")).unwrap();
    assert_eq!(end(&mut struck).1, Some(ErrorKind::ConnectionReset));
    assert_eq!(exchange(&mut calm, &send_request(b"a")).unwrap().status, 201);
}

#[test]
fn a_lock_is_lost_before_it_is_settled() {
    let emulator = Emulator::start();
    emulator.arm(r#"{"fault":{"lose_lock":true},"operation":"complete","count":1}"#);
    emulator.send("orders", "m-1", &[], b"one");
    let path = lock_path(&emulator.peek_lock("orders"));
    assert_eq!(emulator.ask(&format!("DELETE {path}"), &[], b"").status, 404);
    let again = emulator.peek_lock("orders");
    assert_eq!(again.broker_properties()["DeliveryCount"], 2);
    assert_eq!(emulator.ask(&format!("DELETE {}", lock_path(&again)), &[], b"").status, 200);
}

#[test]
fn a_condition_of_amqp_is_a_busy_server_over_http() {
    let emulator = Emulator::start();
    emulator.arm(r#"{"fault":{"condition":"com.microsoft:server-busy"},"count":1}"#);
    assert_eq!(emulator.ask("POST /orders/messages", &[], b"").status, 503);
}
