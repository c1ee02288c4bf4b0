//! Sends.

use std::io::Write;

use serde_json::json;

use crate::client::{HOST, connect, exchange, read, read_head, request};
use crate::emulator::{Emulator, token};

const BATCH: (&str, &str) = ("Content-Type", "application/vnd.microsoft.servicebus.json");

#[test]
fn a_stored_message_is_answered_as_azure_answers_it() {
    let emulator = Emulator::start();
    let answer = emulator.ask("POST /events/messages", &[], b"hello");
    assert_eq!((answer.status, answer.text()), (201, ""));
    let names: Vec<_> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["Transfer-Encoding", "Content-Type", "Server", "Strict-Transport-Security", "Date"]
    );
    assert_eq!(answer.header("Content-Type"), Some("application/xml; charset=utf-8"));
    assert_eq!(answer.header("Server"), Some("Microsoft-HTTPAPI/2.0"));
    assert_eq!(answer.header("Strict-Transport-Security"), Some("max-age=31536000"));
    assert_eq!(emulator.verdict(), "stored");
}

#[test]
fn a_message_is_kept_as_it_was_sent() {
    let emulator = Emulator::start();
    let headers = [
        ("Content-Type", "application/json"),
        ("Priority", "5"),
        ("Tenant", r#""say \"hi\"""#),
        ("vip", "true"),
    ];
    emulator.send("events", "m-1", &headers, b"\xff\x00");
    emulator.send("events", "m-2", &[], "é".as_bytes());
    let messages = emulator.admin("GET entities/events/messages", "");
    let first = &messages[0];
    assert_eq!(first["body"], json!(null));
    assert_eq!(first["body_base64"], "/wA=");
    assert_eq!(first["content_type"], "application/json");
    assert_eq!(first["properties"], json!({"Priority": 5, "Tenant": "say \"hi\"", "vip": true}));
    assert_eq!(first["broker_properties"]["MessageId"], "m-1");
    assert_eq!((&first["form"], &first["state"]), (&json!("single"), &json!("active")));
    assert_eq!(
        first["request_headers"],
        json!([
            ["Host", HOST],
            ["Content-Length", "2"],
            ["Authorization", "(redacted)"],
            ["BrokerProperties", "{\"MessageId\":\"m-1\"}"],
            ["Content-Type", "application/json"],
            ["Priority", "5"],
            ["Tenant", "\"say \\\"hi\\\"\""],
            ["vip", "true"],
        ])
    );
    assert_eq!((&messages[1]["body"], &messages[1]["content_type"]), (&json!("é"), &json!(null)));
}

#[test]
fn a_batch_is_stored_message_by_message() {
    let emulator = Emulator::start();
    let body = r#"[{"Body":"a","BrokerProperties":{"MessageId":"m-1"},"UserProperties":{"cloudEvents:id":"ü"}},
                   {"Body":"b","BrokerProperties":{"MessageId":"m-2"}}]"#;
    assert_eq!(emulator.ask("POST /orders/messages", &[BATCH], body.as_bytes()).status, 201);
    assert_eq!(emulator.verdict(), "stored 2");
    assert_eq!(emulator.ask("POST /orders/messages", &[BATCH], body.as_bytes()).status, 201);
    assert_eq!(emulator.verdict(), "stored 0, duplicates dropped 2");
    assert_eq!(
        emulator.admin("GET stored?entity=orders", ""),
        json!({"messages": {"m-1": 1, "m-2": 1}, "stored": 2, "duplicates": 2})
    );
    let messages = emulator.admin("GET entities/orders/messages", "");
    assert_eq!(messages[0]["properties"], json!({"cloudEvents:id": "ü"}));
    assert_eq!(messages[0]["form"], "batch");
}

#[test]
fn a_batch_with_one_wrong_message_stores_none() {
    let emulator = Emulator::start();
    let answer = emulator.ask("POST /orders/messages", &[BATCH], br#"[{"Body":"a"},{"Body":1}]"#);
    assert_eq!(
        (answer.status, answer.detail()),
        (400, "[1].Body: expected a string, found 1.".to_owned())
    );
    assert_eq!(emulator.stored("orders"), 0);
}

#[test]
fn a_duplicate_is_answered_201_and_dropped() {
    let emulator = Emulator::start();
    emulator.send("orders", "m-1", &[], b"first");
    emulator.send("orders", "m-1", &[], b"second");
    assert_eq!(emulator.verdict(), "duplicate dropped");
    let counts = &emulator.admin("GET entities", "")["orders"];
    assert_eq!((&counts["active"], &counts["duplicates"]), (&json!(1), &json!(1)));
    assert_eq!(emulator.receive("orders").text(), "first");
    // Where there is no detection, there are no duplicates.
    emulator.send("events", "m-1", &[], b"");
    emulator.send("events", "m-1", &[], b"");
    assert_eq!(emulator.admin("GET stored?entity=events", "")["messages"], json!({"m-1": 2}));
}

#[test]
fn a_wrong_message_is_refused_with_the_reason() {
    let emulator = Emulator::start();
    let answer = emulator.ask("POST /events/messages", &[("Priority", "High")], b"");
    assert_eq!(answer.status, 400);
    assert_eq!(answer.header("Content-Type"), Some("application/xml; charset=utf-8"));
    let detail = "The value 'High' of the HTTP header 'Priority' is invalid: expected a string in \
                  double quotes, a number, true or false.";
    assert_eq!(answer.detail(), detail);
    assert_eq!(emulator.verdict(), detail);

    let (_, tracking) = answer.text().split_once("TrackingId:").unwrap();
    let (id, rest) = tracking.split_once("_G0, ").unwrap();
    assert_eq!(id.len(), 36);
    assert!(rest.starts_with(&format!("SystemTracker:{HOST}:events, Timestamp:20")), "{rest}");
    assert_eq!(emulator.stored("events"), 0);
}

#[test]
fn error_texts_are_escaped_as_xml() {
    let emulator = Emulator::start();
    let answer = emulator.ask("POST /events/messages", &[("a", "<&>")], b"");
    assert!(answer.text().contains("The value '&lt;&amp;&gt;' of"), "{}", answer.text());
}

#[test]
fn a_message_that_is_too_large_is_refused_and_the_connection_lives() {
    let emulator = Emulator::start();
    let token = token();
    let mut connection = connect(emulator.port);
    let headers = [("Authorization", token.as_str())];
    let large = request("POST /events/messages", &headers, &vec![b'a'; 300_000]);
    let answer = exchange(&mut connection, &large).unwrap();
    assert_eq!(answer.status, 403);
    assert_eq!(
        answer.detail(),
        "The message or batch of 300032 bytes exceeds the limit of 262144 bytes of the Standard \
         tier."
    );
    let small = request("POST /events/messages", &headers, b"a");
    assert_eq!(exchange(&mut connection, &small).unwrap().status, 201);
}

#[test]
fn a_body_beyond_reason_is_refused_unread() {
    let emulator = Emulator::start();
    let answer = emulator.ask("POST /events/messages", &[("Content-Length", "4194305")], b"");
    assert_eq!(answer.status, 403);
    assert_eq!(answer.detail(), "The body of 4194305 bytes exceeds the limit of 4194304 bytes.");
    assert_eq!(answer.header("Connection"), Some("close"));
}

#[test]
fn the_premium_tier_takes_a_megabyte() {
    let emulator = Emulator::start_with(&["--tier", "premium"]);
    emulator.send("events", "m-1", &[], &vec![0; 1_048_500]);
    let answer = emulator.ask("POST /events/messages", &[], &vec![0; 1_048_577]);
    assert_eq!(
        answer.detail(),
        "The message or batch of 1048609 bytes exceeds the limit of 1048576 bytes of the Premium \
         tier."
    );
}

#[test]
fn a_chunked_body_is_refused() {
    let emulator = Emulator::start();
    let raw = format!(
        "POST /events/messages HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n\
         1\r\na\r\n0\r\n\r\n"
    );
    let answer = exchange(&mut connect(emulator.port), raw.as_bytes()).unwrap();
    assert_eq!(answer.status, 411);
    let detail = "Length Required: the body must be sent with Content-Length, not with \
                  Transfer-Encoding.";
    assert_eq!(answer.detail(), detail);
    assert_eq!(emulator.verdict(), detail);
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let emulator = Emulator::start();
    let large = format!("\"{}\"", "a".repeat(16 * 1024));
    let answer = emulator.ask("POST /events/messages", &[("a", &large)], b"");
    assert_eq!(answer.status, 400);
    let detail = answer.detail();
    assert!(detail.starts_with("The size of the request headers is too long: "), "{detail}");
    assert!(detail.ends_with(" bytes exceed the limit of 16384."), "{detail}");
}

#[test]
fn what_is_no_http_is_refused() {
    let emulator = Emulator::start();
    let answer = exchange(&mut connect(emulator.port), b"\x16\x03\x01\x02\x00\r\n\r\n").unwrap();
    assert_eq!(answer.status, 400);
    assert_eq!(answer.detail(), "The request is no valid HTTP: invalid token.");
}

#[test]
fn a_sender_that_waits_for_100_gets_it() {
    let emulator = Emulator::start();
    let token = token();
    let headers =
        [("Authorization", token.as_str()), ("Expect", "100-continue"), ("Content-Length", "5")];
    let mut connection = connect(emulator.port);
    connection.write_all(&request("POST /events/messages", &headers, b"")).unwrap();
    assert_eq!(read_head(&mut connection).unwrap(), "HTTP/1.1 100 Continue\r\n\r\n");
    connection.write_all(b"hello").unwrap();
    assert_eq!(read(&mut connection).unwrap().status, 201);
}

#[test]
fn requests_may_follow_each_other_without_waiting() {
    let emulator = Emulator::start();
    let token = token();
    let one = request("POST /events/messages", &[("Authorization", &token)], b"a");
    let mut connection = connect(emulator.port);
    let first = exchange(&mut connection, &[one.clone(), one].concat()).unwrap();
    assert_eq!((first.status, read(&mut connection).unwrap().status), (201, 201));
}

#[test]
fn a_session_is_needed_where_the_queue_requires_one() {
    let emulator = Emulator::start();
    for headers in [&[][..], &[("BrokerProperties", r#"{"SessionId":""}"#)]] {
        let answer = emulator.ask("POST /sessions/messages", headers, b"");
        assert_eq!(answer.status, 400);
        assert_eq!(
            answer.detail(),
            "The entity 'sessions' requires sessions: SessionId must be set."
        );
    }
    let session = [("BrokerProperties", r#"{"SessionId":"a"}"#)];
    assert_eq!(emulator.ask("POST /sessions/messages", &session, b"").status, 201);
}

#[test]
fn a_path_is_found_in_any_case_and_encoding() {
    let emulator = Emulator::start();
    for path in [
        "/dept/returns/messages",
        "/Dept/RETURNS/Messages",
        "/dept/%72eturns/messages?api-version=2017-04&timeout=60",
    ] {
        assert_eq!(emulator.ask(&format!("POST {path}"), &[], b"").status, 201, "{path}");
    }
    assert_eq!(emulator.stored("dept/returns"), 3);
}

#[test]
fn what_is_not_there_is_not_found() {
    let emulator = Emulator::start();
    for (line, status, detail) in [
        (
            "POST /nothing/messages",
            404,
            "40400: The messaging entity 'sb://sbemulatorns.servicebus.windows.net/nothing' could \
             not be found.",
        ),
        ("POST /events", 404, "40400: Endpoint not found: '/events'."),
        ("GET /events/messages", 405, "The method GET is not allowed here."),
        ("POST /events/messages?retry=1", 400, "The query parameter 'retry' is not known."),
        (
            "POST /events/$DeadLetterQueue/messages",
            400,
            "Messages cannot be sent to a dead-letter queue.",
        ),
        (
            "POST /notifications/subscriptions/all/messages",
            400,
            "Messages cannot be sent to a subscription; send to its topic.",
        ),
    ] {
        let answer = emulator.ask(line, &[], b"");
        assert_eq!((answer.status, answer.detail().as_str()), (status, detail), "{line}");
    }
}
