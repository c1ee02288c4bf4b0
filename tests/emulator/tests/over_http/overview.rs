//! What the page is told.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::client::HOST;
use crate::emulator::{Emulator, sign, token};

const ORDERS: &str = "namespace=sbemulatorns&entity=orders";

fn overview(emulator: &Emulator, query: &str) -> Value {
    emulator.admin(&format!("GET overview?{query}"), "")
}

/// The only message of an entity.
fn message(emulator: &Emulator, query: &str) -> Value {
    let shown = overview(emulator, query);
    assert_eq!(shown["messages"].as_array().map(Vec::len), Some(1), "{shown}");
    shown["messages"][0].clone()
}

#[test]
fn every_entity_is_there_with_its_counts() {
    let emulator = Emulator::start();
    emulator.send("orders", "m-1", &[], b"");
    emulator.send("notifications", "m-1", &[], b"");
    let shown = overview(&emulator, "");
    assert_eq!((&shown["tier"], &shown["messages"]), (&json!("Standard"), &json!(null)));
    let namespace = &shown["namespaces"][0];
    assert_eq!(namespace["name"], "sbemulatorns");
    let paths = |entities: &Value| -> Vec<String> {
        let entities = entities.as_array().unwrap().iter();
        entities.map(|entity| entity["path"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        paths(&namespace["queues"]),
        ["dept/returns", "events", "orders", "quick", "raw", "sessions"]
    );
    assert_eq!(
        namespace["queues"][2]["counts"],
        json!({"kind": "queue", "active": 1, "locked": 0, "deferred": 0, "scheduled": 0, "dead_lettered": 0,
               "stored": 1, "duplicates": 0})
    );
    let topic = &namespace["topics"][1];
    assert_eq!(topic["path"], "notifications");
    assert_eq!(topic["counts"], json!({"kind": "topic", "stored": 1, "duplicates": 0}));
    assert!(paths(&topic["subscriptions"]).contains(&"notifications/subscriptions/all".to_owned()));
    assert_eq!(topic["subscriptions"][0]["counts"]["kind"], "subscription");
}

#[test]
fn a_message_is_shown_with_all_that_it_carries() {
    let emulator = Emulator::start();
    let headers = [
        ("Content-Type", "text/plain"),
        ("source", "\"<b>web</b>\""),
        ("whole", "9007199254740993"),
        ("half", "0.5"),
        ("express", "true"),
    ];
    emulator.send("orders", "m-1", &headers, "Grüße <script>".as_bytes());
    let shown = message(&emulator, ORDERS);
    assert_eq!(
        shown["body"],
        json!({"bytes": 16, "text": "Grüße <script>", "base64": null, "cut": false})
    );
    assert_eq!(
        shown["properties"],
        json!([
            {"name": "source", "type": "text", "value": "<b>web</b>"},
            // As text: a number in a browser would end in 2.
            {"name": "whole", "type": "integer", "value": "9007199254740993"},
            {"name": "half", "type": "float", "value": "0.5"},
            {"name": "express", "type": "boolean", "value": "true"},
        ])
    );
    assert_eq!(shown["broker_properties"]["MessageId"], "m-1");
    let rest = ["sequence", "state", "dead_letter", "content_type", "form"];
    assert_eq!(
        rest.map(|name| shown[name].clone()),
        [json!(1), json!("active"), json!(null), json!("text/plain"), json!("single")]
    );
}

#[test]
fn messages_in_every_state_are_shown_last_first() {
    let emulator = Emulator::start();
    emulator.send("quick", "m-1", &[], b"");
    emulator.send("quick", "m-2", &[], b"");
    assert_eq!(emulator.peek_lock("quick").status, 201);
    let scheduled =
        r#"{"MessageId":"m-3","ScheduledEnqueueTimeUtc":"Fri, 01 Jan 2100 00:00:00 GMT"}"#;
    let answer = emulator.ask("POST /quick/messages", &[("BrokerProperties", scheduled)], b"");
    assert_eq!(answer.status, 201, "{}", answer.text());
    let shown = overview(&emulator, "namespace=sbemulatorns&entity=quick");
    let states: Vec<_> = shown["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| (&message["broker_properties"]["MessageId"], &message["state"]))
        .collect();
    assert_eq!(json!(states), json!([["m-3", "scheduled"], ["m-2", "active"], ["m-1", "locked"]]));
}

#[test]
fn a_dead_letter_is_shown_with_its_reason() {
    let emulator = Emulator::start();
    emulator.send("quick", "m-1", &[], b"x");
    for _ in 0..3 {
        let location = emulator.peek_lock("quick").header("Location").unwrap().to_owned();
        let path = location.strip_prefix(&format!("http://{HOST}")).unwrap();
        assert_eq!(emulator.ask(&format!("PUT {path}"), &[], b"").status, 200);
    }
    let entity = "namespace=sbemulatorns&entity=quick";
    assert_eq!(overview(&emulator, entity)["messages"], json!([]));
    let dead = message(&emulator, &format!("{entity}&part=dead_letter"));
    assert_eq!(
        dead["dead_letter"],
        json!({"reason": "MaxDeliveryCountExceeded",
               "description": "Message could not be consumed after 3 delivery attempts."})
    );
}

#[test]
fn long_bodies_are_cut_and_bytes_come_in_base64() {
    let emulator = Emulator::start();
    // The cut falls into the two bytes of the last letter.
    let long = format!("{}üx", "a".repeat(16 * 1024 - 1));
    emulator.send("orders", "m-1", &[], long.as_bytes());
    assert_eq!(
        message(&emulator, ORDERS)["body"],
        json!({"bytes": 16 * 1024 + 2, "text": "a".repeat(16 * 1024 - 1), "base64": null,
               "cut": true})
    );
    emulator.send("events", "m-1", &[], b"\xff\xfe");
    assert_eq!(
        message(&emulator, "namespace=sbemulatorns&entity=events")["body"],
        json!({"bytes": 2, "text": null, "base64": STANDARD.encode(b"\xff\xfe"), "cut": false})
    );
}

#[test]
fn a_hundred_messages_and_requests_are_enough() {
    let emulator = Emulator::start();
    for number in 1..=102 {
        emulator.send("events", &format!("m-{number}"), &[], b"");
    }
    let shown = overview(&emulator, "namespace=sbemulatorns&entity=events");
    assert_eq!(shown["shown_at_most"], 100);
    for (list, name) in [("messages", "sequence"), ("requests", "number")] {
        let list = shown[list].as_array().unwrap();
        assert_eq!((list.len(), &list[0][name], &list[99][name]), (100, &json!(102), &json!(3)));
    }
}

#[test]
fn a_refused_request_tells_which_check_it_failed() {
    let emulator = Emulator::start();
    let expired =
        sign(&format!("https://{HOST}/"), "RootManageSharedAccessKey", "SAS_KEY_VALUE", 9);
    let signed = token();
    let send = |path: &str, token: &str, headers: &[(&str, &str)]| {
        let headers = [&[("Authorization", token)], headers].concat();
        emulator.ask_unsigned(&format!("POST {path}"), &headers, b"").status
    };
    let broker = [("BrokerProperties", "{}"), ("X-Request-Id", "7")];
    emulator.arm(r#"{"fault": {"status": 503}, "entity": "raw"}"#);
    emulator.arm(r#"{"fault": {"reset": "before_reading"}, "entity": "quick"}"#);
    let statuses = [
        send("/events/messages", &signed, &[]),
        send("/events/messages", &expired, &[]),
        send("/events/messages", &signed, &broker),
        send("/nothing/messages", &signed, &[]),
        send("/events", &signed, &[]),
        send("/raw/messages", &signed, &[]),
        send("/events/messages", &signed, &[("Content-Length", "9000000")]),
        emulator.ask("DELETE /sessions/messages/head", &[], b"").status,
    ];
    assert_eq!(statuses, [201, 401, 400, 404, 404, 503, 403, 400]);
    let shown = overview(&emulator, "");
    let requests = shown["requests"].as_array().unwrap().iter().rev();
    let failed: Vec<_> = requests.clone().map(|request| &request["failed"]).collect();
    let expected =
        json!([null, "authorization", "message", "entity", "path", "fault", "body", "receipt"]);
    assert_eq!(json!(failed), expected);
    let verdicts: Vec<_> = requests.map(|request| &request["verdict"]).collect();
    assert_eq!(verdicts[0], "stored");
    assert_eq!(
        verdicts[1],
        "ExpiredToken: The token is expired. Expiration time: '1970-01-01T00:00:09Z'."
    );
}

#[test]
fn no_token_is_shown() {
    let emulator = Emulator::start();
    emulator.send("orders", "m-1", &[], b"");
    let signature = token().split_once("&sig=").unwrap().1.split_once('&').unwrap().0.to_owned();
    emulator.ask(&format!("POST /orders/messages?sig={signature}"), &[], b"");
    emulator.ask(&format!("POST /orders?sig={signature}"), &[], b"");
    let basic = [("Authorization", "Basic bm8tdG9rZW4=")];
    emulator.ask_unsigned("DELETE /orders/messages/head?timeout=0", &basic, b"");

    let shown = overview(&emulator, ORDERS);
    let key = json!({"kind": "SharedAccessSignature", "name": "RootManageSharedAccessKey",
                     "expires": "2100-01-01T00:00:00Z"});
    assert_eq!(shown["messages"][0]["request"]["authorization"], json!([key]));
    let requests = shown["requests"].as_array().unwrap();
    let unknown = json!({"kind": "unknown", "name": null, "expires": null});
    assert_eq!(requests[0]["request"]["authorization"], json!([unknown]));
    let paths: Vec<_> = requests.iter().map(|request| &request["path"]).collect();
    assert_eq!(
        json!(paths),
        json!([
            "/orders/messages/head?timeout=0",
            "/orders?(redacted)",
            "/orders/messages?(redacted)",
            "/orders/messages"
        ])
    );
    let text = shown.to_string();
    assert!(!text.contains(&signature) && !text.contains("bm8tdG9rZW4"), "{text}");
}

#[test]
fn what_cannot_be_selected_is_said_or_left_out() {
    let emulator = Emulator::start();
    for query in [
        "namespace=sbemulatorns&entity=nothing",
        "namespace=other&entity=orders",
        "namespace=sbemulatorns&entity=notifications",
    ] {
        assert_eq!(overview(&emulator, query)["messages"], json!(null), "{query}");
    }
    for (query, error) in [
        ("entity=orders", "expected ?namespace="),
        (
            "namespace=sbemulatorns&entity=orders&part=x",
            "expected ?part=main, dead_letter or sessions",
        ),
    ] {
        let answer = emulator.ask_admin(&format!("GET overview?{query}"), "");
        assert_eq!((answer.status, answer.json()), (400, json!({ "error": error })), "{query}");
    }
}

#[test]
fn sessions_are_shown_where_there_are_any() {
    let emulator = Emulator::start();
    for (id, session) in [("m-1", "b"), ("m-2", "a"), ("m-3", "a")] {
        let broker = format!(r#"{{"MessageId":"{id}","SessionId":"{session}"}}"#);
        let headers = [("BrokerProperties", broker.as_str())];
        assert_eq!(emulator.ask("POST /sessions/messages", &headers, b"").status, 201);
    }
    let at = |entity: &str| {
        let query = format!("GET overview?namespace=sbemulatorns&entity={entity}&part=sessions");
        emulator.admin(&query, "")["sessions"].clone()
    };
    let session = |id: &str, waiting: u32| json!({"id": id, "waiting": waiting, "received": 0, "locked_until": null, "state_bytes": null});
    assert_eq!(at("sessions"), json!([session("a", 2), session("b", 1)]));
    assert_eq!(at("orders"), json!(null));
}
