//! Configurations and requests for the native tests.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    dead_code,
    reason = "a test may fail by panic, and uses its part"
)]

pub(crate) mod configuration;
pub(crate) mod delivery;
pub(crate) mod exchange;
pub(crate) mod shared;
pub(crate) mod tokens;

use std::rc::Rc;
use std::time::Duration;

use envoy_service_bus::config::{Config, Environment, Role};
use envoy_service_bus::delivery::Sender;
use envoy_service_bus::http::Headers;
use envoy_service_bus::time::Time;
use serde_json::{Value as Json, json};

/// 2026-11-21T00:00:00Z.
pub(crate) const NOW: Duration = Duration::from_secs(1_795_219_200);
/// The same by both clocks.
pub(crate) const START: Time = Time { wall: NOW, monotonic: Duration::from_secs(7) };
pub(crate) const RANDOM: [u8; 16] = [0x5a; 16];
pub(crate) const UUID: &str = "5a5a5a5a-5a5a-4a5a-9a5a-5a5a5a5a5a5a";

/// A sender with one route `/orders` whose `send` and `reply` are given.
pub(crate) fn sender(send: Json, reply: Json, rest: Json) -> Rc<Sender> {
    let mut config = json!({
        "namespace": "contoso.servicebus.windows.net",
        "cluster": "servicebus",
        "credentials": {"sas": {"key_name": "send-only", "key": {"inline": "not+base64/key=="}}},
        "routes": [{"name": "orders", "match": {"path": "/orders"}, "send": send, "reply": reply}]
    });
    for (key, value) in rest.as_object().unwrap() {
        config[key] = value.clone();
    }
    match Config::parse(config.to_string().as_bytes(), Environment::Unknown).unwrap().role {
        Role::Sender(sender) => sender,
        Role::Gate(_) => panic!("a gate"),
    }
}

pub(crate) fn plain_sender() -> Rc<Sender> {
    sender(json!({"queue": "orders"}), json!({}), json!({}))
}

/// A POST of `/orders` with more headers.
pub(crate) fn request(headers: &[(&str, &[u8])]) -> Headers {
    let head: [(&str, &[u8]); 3] =
        [(":method", b"POST"), (":authority", b"api.example.com"), (":path", b"/orders")];
    head.into_iter().chain(headers.iter().copied()).collect()
}
