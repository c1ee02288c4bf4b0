//! What the admin API tells.

use serde_json::json;

use crate::client::HOST;
use crate::emulator::Emulator;

#[test]
fn it_is_healthy() {
    assert_eq!(Emulator::start().admin("GET health", ""), json!({"status": "healthy"}));
}

#[test]
fn entities_are_listed_with_their_counts() {
    let emulator = Emulator::start();
    emulator.send("notifications", "m-1", &[], b"");
    emulator.send("orders", "m-1", &[], b"");
    let listed = emulator.admin("GET entities", "");
    assert_eq!(
        listed["orders"],
        json!({"kind": "queue", "active": 1, "locked": 0, "deferred": 0, "scheduled": 0, "dead_lettered": 0,
               "stored": 1, "duplicates": 0})
    );
    assert_eq!(listed["notifications"], json!({"kind": "topic", "stored": 1, "duplicates": 0}));
    assert_eq!(listed["notifications/subscriptions/all"]["kind"], "subscription");
    assert_eq!(listed["notifications/subscriptions/vip"]["active"], 0);
}

#[test]
fn looking_at_messages_leaves_them_there() {
    let emulator = Emulator::start();
    for id in ["m-1", "m-2", "m-3"] {
        emulator.send("events", id, &[], b"");
    }
    let shown = emulator.admin("GET entities/Events/messages?limit=2", "");
    let ids: Vec<_> = shown
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["broker_properties"]["MessageId"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["m-1", "m-2"]);
    assert_eq!(shown[0]["broker_properties"]["DeliveryCount"], 0);
    assert_eq!(emulator.receive("events").broker_properties()["MessageId"], "m-1");
}

#[test]
fn a_cleared_entity_is_as_new() {
    let emulator = Emulator::start();
    emulator.send("orders", "m-1", &[], b"");
    emulator.send("notifications", "m-1", &[], b"");
    emulator.admin("DELETE entities/orders/messages", "");
    emulator.admin("DELETE entities/notifications/messages", "");
    assert_eq!(emulator.receive("orders").status, 204);
    assert_eq!(emulator.receive("notifications/subscriptions/all").status, 204);
    assert_eq!(
        emulator.admin("GET stored?entity=orders", ""),
        json!({"messages": {}, "stored": 0, "duplicates": 0})
    );
    // The id is not remembered either.
    emulator.send("orders", "m-1", &[], b"");
    assert_eq!(emulator.stored("orders"), 1);
}

#[test]
fn the_ledger_outlives_the_messages() {
    let emulator = Emulator::start();
    let id = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    emulator.send("events", id, &[], b"");
    emulator.send("events", id, &[], b"");
    emulator.receive("events");
    emulator.receive("events");
    assert_eq!(emulator.admin("GET stored?entity=events", "")["messages"], json!({id: 2}));
}

#[test]
fn requests_are_shown_without_their_tokens() {
    let emulator = Emulator::start();
    emulator.ask("POST /events/messages?timeout=60", &[("X-Envoy-Internal", "true")], b"");
    emulator.send("events", "m-1", &[], b"");
    emulator.receive("events");
    let requests = emulator.admin("GET requests", "");
    let first = &requests[0];
    assert_eq!(first["method"], "POST");
    assert_eq!(first["path"], "/events/messages?timeout=60");
    assert_eq!(first["authority"], HOST);
    assert_eq!(first["status"], 400);
    assert_eq!(first["form"], "single");
    assert_eq!(first["tls_server_name"], json!(null));
    assert_eq!(
        first["headers"],
        json!([
            ["Host", HOST],
            ["Content-Length", "0"],
            ["Authorization", "(redacted)"],
            ["X-Envoy-Internal", "true"],
        ])
    );
    assert_eq!(requests[1]["verdict"], "stored");
    assert_eq!(
        (&requests[2]["verdict"], &requests[2]["form"]),
        (&json!("delivered m-1"), &json!(null))
    );
    assert_eq!(emulator.admin("GET requests?limit=1", ""), json!([requests[2].clone()]));

    emulator.admin("DELETE requests", "");
    assert_eq!(emulator.admin("GET requests", ""), json!([]));
}

#[test]
fn hiding_requests_leaves_messages_their_headers() {
    let emulator = Emulator::start();
    emulator.send("events", "m-1", &[], b"");
    emulator.admin("DELETE requests", "");
    let shown = emulator.admin("GET entities/events/messages", "");
    assert_eq!(shown[0]["request_headers"][0], json!(["Host", HOST]));
}

#[test]
fn what_it_does_not_know_it_says() {
    let emulator = Emulator::start();
    for (line, status, error) in [
        ("GET nothing", 404, "there is no GET nothing in the admin API"),
        ("PUT faults", 404, "there is no PUT faults in the admin API"),
        ("GET entities/nothing/messages", 404, "there is no entity 'nothing'"),
        ("GET stored", 400, "expected ?entity="),
        ("GET requests?limit=all", 400, "expected ?limit= with a number"),
        (
            "GET entities/notifications/messages",
            400,
            "a topic keeps no messages; look into its subscriptions",
        ),
    ] {
        let answer = emulator.ask_admin(line, "");
        assert_eq!((answer.status, answer.json()), (status, json!({ "error": error })), "{line}");
    }
}
