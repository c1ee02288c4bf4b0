//! `$management`.

use bytes::Bytes;
use uuid::Uuid;

use super::client::{Client, message, request, service};
use crate::amqp::codec::Value;

/// A client with links to the management of an entity, on handles 20 and 21.
fn managing(entity: &str) -> Client {
    let mut client = Client::authorized(&service());
    manage(&mut client, entity);
    client
}

fn manage(client: &mut Client, entity: &str) {
    client.attach(20, &format!("{entity}/$management"), false);
    client.attach(21, &format!("{entity}/$management"), true);
    client.credit(21, 0, 1000, false);
    for code in [0x12, 0x13] {
        client.hear(code);
    }
}

/// What an operation is answered: the status, the condition, the body.
fn ask(client: &mut Client, operation: &str, body: Value) -> (i32, String, Value) {
    let operation = Value::string(format!("com.microsoft:{operation}"));
    let payload = request(Value::string("id"), &[("operation", operation)], body);
    client.transfer(20, 99, &payload);
    let answer = client.only(0x14).message();
    let status = answer.application_properties.as_ref().unwrap().0.clone();
    let Some(Value::Int(code)) = status.get("statusCode") else { panic!("{status:?}") };
    assert!(status.get("statusDescription").is_some());
    let condition = status.get("errorCondition").and_then(Value::as_text).unwrap_or_default();
    (*code, condition.to_owned(), answer.value().unwrap().unwrap())
}

fn longs(numbers: &[i64]) -> Value {
    Value::Array(numbers.iter().map(|number| Value::Long(*number)).collect())
}

/// Sends messages to an entity on handle 0.
fn send(client: &mut Client, entity: &str, messages: &[Vec<u8>]) {
    client.attach(0, entity, false);
    for (id, message) in (0..).zip(messages) {
        client.transfer(0, id, message);
    }
    for code in [0x12, 0x13, 0x15] {
        client.hear(code);
    }
}

/// The lock token and the number of the next message on handle 1.
fn receive(client: &mut Client, entity: &str) -> Uuid {
    client.attach(1, entity, true);
    client.credit(1, 0, 1, false);
    let transfer = client.only(0x14);
    client.hear(0x12);
    let Value::Binary(tag) = transfer.field(2) else { panic!() };
    Uuid::from_bytes_le((&**tag).try_into().unwrap())
}

fn tokens(token: Uuid) -> Value {
    Value::Array(vec![Value::Uuid(token)])
}

#[test]
fn locks_are_renewed_as_an_array_of_timestamps() {
    let mut client = managing("q");
    send(&mut client, "q", &[message("a", None)]);
    let token = receive(&mut client, "q");
    client.pass(30);
    let body = Value::string_map([("lock-tokens", tokens(token))]);
    let (status, _, answer) = ask(&mut client, "renew-lock", body.clone());
    let expected = Value::Array(vec![Value::Timestamp(1_800_000_090_000)]);
    assert_eq!((status, answer.get("expirations")), (200, Some(&expected)));
    client.pass(60);
    let (status, condition, _) = ask(&mut client, "renew-lock", body);
    assert_eq!((status, &*condition), (410, "com.microsoft:message-lock-lost"));
}

#[test]
fn messages_are_browsed_and_no_message_is_no_content() {
    let mut client = managing("q");
    let body = Value::string_map([
        ("from-sequence-number", Value::Long(1)),
        ("message-count", Value::Int(10)),
    ]);
    assert_eq!(ask(&mut client, "peek-message", body.clone()).0, 204);
    send(&mut client, "q", &[message("a", None), message("b", None)]);
    let (status, _, answer) = ask(&mut client, "peek-message", body);
    let Some(Value::List(messages)) = answer.get("messages") else { panic!("{answer:?}") };
    assert_eq!((status, messages.len()), (200, 2));
    assert!(matches!(messages[0].get("message"), Some(Value::Binary(_))));
}

#[test]
fn a_deferred_message_is_received_by_its_number_and_settled_by_its_token() {
    let mut client = managing("q");
    send(&mut client, "q", &[message("a", None)]);
    let token = receive(&mut client, "q");
    let settle = |status: &str, token| {
        Value::string_map([
            ("disposition-status", Value::string(status)),
            ("lock-tokens", tokens(token)),
            ("deadletter-reason", Value::string("why")),
        ])
    };
    assert_eq!(ask(&mut client, "update-disposition", settle("defered", token)).0, 200);
    let by_number = |number| {
        Value::string_map([
            ("sequence-numbers", longs(&[number])),
            ("receiver-settle-mode", Value::Uint(1)),
        ])
    };
    let (status, _, answer) = ask(&mut client, "receive-by-sequence-number", by_number(1));
    let Some(Value::List(messages)) = answer.get("messages") else { panic!("{answer:?}") };
    let Some(Value::Uuid(token)) = messages[0].get("lock-token") else { panic!("{answer:?}") };
    assert_eq!(status, 200);
    assert_eq!(ask(&mut client, "update-disposition", settle("suspended", *token)).0, 200);
    let (status, condition, _) = ask(&mut client, "receive-by-sequence-number", by_number(1));
    assert_eq!((status, &*condition), (404, "com.microsoft:message-not-found"));
    let (status, condition, _) =
        ask(&mut client, "update-disposition", settle("completed", *token));
    assert_eq!((status, &*condition), (410, "com.microsoft:message-lock-lost"));
}

#[test]
fn messages_are_scheduled_and_taken_back() {
    for entity in ["q", "t"] {
        let mut client = managing(entity);
        let later = Value::symbol_map([(
            "x-opt-scheduled-enqueue-time",
            Value::Timestamp(1_800_000_060_000),
        )]);
        let annotations = Value::Described(Box::new((Value::Ulong(0x72), later)));
        let mut scheduled = Vec::new();
        crate::amqp::codec::encode(&annotations, &mut scheduled);
        scheduled.extend(message("a", None));
        let entry = Value::string_map([("message", Value::Binary(scheduled.into()))]);
        let body = Value::string_map([("messages", Value::List(vec![entry.clone(), entry]))]);
        let (status, _, answer) = ask(&mut client, "schedule-message", body);
        assert_eq!((status, answer.get("sequence-numbers")), (200, Some(&longs(&[1, 2]))));
        let cancel = Value::string_map([("sequence-numbers", longs(&[1]))]);
        assert_eq!(ask(&mut client, "cancel-scheduled-message", cancel.clone()).0, 200);
        let (status, condition, _) = ask(&mut client, "cancel-scheduled-message", cancel);
        assert_eq!((status, &*condition), (404, "com.microsoft:message-not-found"));
        let source = if entity == "t" { "t/subscriptions/s" } else { "q" };
        client.attach(1, source, true);
        client.credit(1, 0, 10, false);
        assert_eq!(client.hear(0x14).len(), 0);
        client.pass(60);
        assert_eq!(client.hear(0x14).len(), 1);
    }
}

#[test]
fn the_holder_of_a_session_keeps_it_and_its_state() {
    let mut client = managing("sessions");
    client.attach_session(2, Value::string("a"));
    client.hear(0x12);
    let own =
        |name: &str, value| Value::string_map([("session-id", Value::string("a")), (name, value)]);
    client.pass(30);
    let (_, _, answer) = ask(&mut client, "renew-session-lock", own("x", Value::Null));
    assert_eq!(answer.get("expiration"), Some(&Value::Timestamp(1_800_000_090_000)));
    let state = Value::Binary(Bytes::from_static(b"step 2"));
    assert_eq!(ask(&mut client, "set-session-state", own("session-state", state.clone())).0, 200);
    let (_, _, answer) = ask(&mut client, "get-session-state", own("x", Value::Null));
    assert_eq!(answer.get("session-state"), Some(&state));
    let page = Value::string_map([("skip", Value::Int(0)), ("top", Value::Int(10))]);
    let (_, _, answer) = ask(&mut client, "get-message-sessions", page);
    let ids = Value::Array(vec![Value::string("a")]);
    assert_eq!(answer.get("sessions-ids"), Some(&ids));
    let since = |millis| {
        Value::string_map([
            ("last-updated-time", Value::Timestamp(millis)),
            ("skip", Value::Int(0)),
            ("top", Value::Int(10)),
        ])
    };
    for (millis, status) in
        [(253_402_300_800_000, 200), (1_800_000_029_999, 200), (1_800_000_030_000, 204)]
    {
        assert_eq!(ask(&mut client, "get-message-sessions", since(millis)).0, status, "{millis}");
    }
    for operation in ["renew-session-lock", "get-session-state", "set-session-state"] {
        let other = Value::string_map([("session-id", Value::string("b"))]);
        let (status, condition, _) = ask(&mut client, operation, other);
        assert_eq!((status, &*condition), (410, "com.microsoft:session-lock-lost"), "{operation}");
    }
}

#[test]
fn rules_come_and_go() {
    let mut client = managing("t/subscriptions/s");
    let page = Value::string_map([("skip", Value::Int(0)), ("top", Value::Int(10))]);
    let names = |client: &mut Client| {
        let (_, _, answer) = ask(client, "enumerate-rules", page.clone());
        let rules = answer.get("rules").and_then(Value::as_elements).unwrap_or_default().to_vec();
        let name = |rule: &Value| {
            let (code, fields) = rule.get("rule-description").unwrap().described().unwrap();
            assert_eq!(code, 0x137_0000_0004);
            let fields = fields.as_elements().unwrap();
            let (filter, _) = fields[0].described().unwrap();
            (filter, fields[2].as_text().unwrap().to_owned())
        };
        rules.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(names(&mut client), [(0x13_7000_0007, "$Default".to_owned())]);
    let named = |name: &str| ("rule-name", Value::string(name));
    let add = |name: &str, filter: &str, content: Value| {
        Value::string_map([
            named(name),
            ("rule-description", Value::string_map([(filter, content)])),
        ])
    };
    let sql = Value::string_map([("expression", Value::string("a = 1"))]);
    let label = Value::string_map([("label", Value::string("l"))]);
    assert_eq!(ask(&mut client, "add-rule", add("sql", "sql-filter", sql.clone())).0, 200);
    assert_eq!(ask(&mut client, "add-rule", add("c", "correlation-filter", label)).0, 200);
    let (status, condition, _) = ask(&mut client, "add-rule", add("SQL", "sql-filter", sql));
    assert_eq!((status, &*condition), (409, "com.microsoft:entity-already-exists"));
    let wrong = Value::string_map([("expression", Value::string("a ="))]);
    assert_eq!(ask(&mut client, "add-rule", add("wrong", "sql-filter", wrong)).0, 400);
    assert_eq!(ask(&mut client, "remove-rule", Value::string_map([named("$Default")])).0, 200);
    assert_eq!(ask(&mut client, "remove-rule", Value::string_map([named("$Default")])).0, 404);
    let codes: Vec<_> = names(&mut client).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, [0x13_7000_0006, 0x13_7000_0009]);
}

#[test]
fn what_an_entity_cannot_do_is_refused() {
    let empty = || Value::Map(vec![]);
    for (entity, operation, status) in [
        ("q", "add-rule", 400),
        ("q", "no-such-thing", 501),
        ("q", "renew-lock", 400),
        ("q", "get-message-sessions", 400),
        ("t", "peek-message", 400),
        ("t/subscriptions/s", "schedule-message", 400),
        ("q/$DeadLetterQueue", "schedule-message", 400),
    ] {
        let mut client = managing(entity);
        let (code, condition, _) = ask(&mut client, operation, empty());
        assert_eq!(code, status, "{entity} {operation} {condition}");
        assert!(!condition.is_empty());
    }
}
