//! Which requests a route takes, as it is configured.

use crate::common::configuration::{error, minimal, parse, sender, with};
use envoy_service_bus::config::Role;
use serde_json::{Value as Json, json};

fn methods(config: &Json) -> Vec<Vec<String>> {
    match parse(&config.to_string()).unwrap().role {
        Role::Sender(sender) => sender.routes.iter().map(|r| r.matches.methods.clone()).collect(),
        Role::Gate(gate) => gate.matches.iter().map(|m| m.methods.clone()).collect(),
    }
}

/// A route that sends, one that looks up, and one that names its methods.
fn routes() -> Json {
    let lookup = json!({"cluster": "store", "authority": "store", "path": "/a"});
    json!([
        {"name": "a", "match": {"path": "/a"}, "send": {"queue": "a"}},
        {"name": "b", "match": {"path": "/b"}, "lookup": lookup},
        {"name": "c", "match": {"path": "/c", "methods": ["PUT"]}, "send": {"queue": "a"}}
    ])
}

#[test]
fn a_route_without_methods_takes_what_its_action_is_for() {
    let config = with("/routes", routes());
    assert_eq!(methods(&config), [["POST"], ["GET"], ["PUT"]]);
}

#[test]
fn a_gate_holds_what_its_sender_takes() {
    let mut config = with("/routes", routes());
    config["role"] = json!("gate");
    assert_eq!(methods(&config), [["POST"], ["GET"], ["PUT"]]);
    // One with conditions alone is for messages.
    let gate = json!({"role": "gate", "routes": [{"match": {"path": "/a"}}]});
    assert_eq!(methods(&gate), [["POST"]]);
}

#[test]
fn a_host_is_the_same_with_the_dot_of_its_root() {
    let hosts = json!(["api.example.com.", "*.example.org.", "API.example.net"]);
    let sender = sender(&with("/routes/0/match/hosts", hosts));
    for host in ["api.example.com", "a.example.org", "api.example.net."] {
        let head = [(":method", "POST"), (":authority", host), (":path", "/orders")];
        let matches = &sender.routes[0].matches;
        assert!(matches.captures(&head.into_iter().collect()).is_some(), "{host}");
    }
}

#[test]
fn the_key_of_claims_is_a_name() {
    let key = |value| with("/jwt_payload_key", value);
    let payload = "https://idp.example/";
    assert_eq!(sender(&key(json!(payload))).jwt_payload_key.as_deref(), Some(payload));
    assert_eq!(sender(&minimal()).jwt_payload_key, None);
    assert_eq!(error(&key(json!(""))), "jwt_payload_key: must not be empty");
}
