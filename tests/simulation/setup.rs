//! The configuration of one life, and how rough it is.

use std::rc::Rc;
use std::time::Duration;

use envoy_service_bus::delivery::Sender;
use fastrand::Rng;
use serde_json::{Value as Json, json};

use super::common::configuration::sender;

/// Requests of one life.
pub(crate) const REQUESTS: u32 = 256;

/// What a life begins with.
pub(crate) struct Setup {
    pub(crate) sender: Rc<Sender>,
    pub(crate) workers: usize,
    /// Longest time between two requests.
    pub(crate) pause: Duration,
    /// Longest time between two changes of a broker's mood.
    pub(crate) weather: Duration,
    /// Of a hundred moods, those that are fair.
    pub(crate) fair: u32,
    /// Of a hundred stores into shared data, those that another worker spoils.
    pub(crate) contention: u32,
    /// How many requests Envoy lets a cluster have, if not all.
    pub(crate) cluster_limit: Option<usize>,
    /// Whether the wall clock is set now and then.
    pub(crate) jumps: bool,
    /// Of a thousand messages, those that fill a good part of a batch.
    pub(crate) large: u32,
    pub(crate) allow_duplicates: bool,
    pub(crate) fetches_tokens: bool,
}

impl Setup {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let allow_duplicates = rng.bool();
        let fallback = fallback(rng, allow_duplicates);
        let credentials = credentials(rng);
        let fetches_tokens = credentials.get("managed_identity").is_some();
        let config = json!({
            "namespace": "contoso.servicebus.windows.net",
            "cluster": "contoso",
            "credentials": credentials,
            "delivery": delivery(rng),
            "routes": routes(&fallback)
        });
        Self {
            sender: sender(&config),
            workers: rng.usize(1..=4),
            pause: Duration::from_micros(one_of(rng, &[200, 1_000, 5_000, 50_000, 600_000])),
            weather: Duration::from_millis(one_of(rng, &[500, 5_000, 60_000])),
            fair: one_of(rng, &[20, 50, 95]),
            contention: one_of(rng, &[0, 20]),
            cluster_limit: one_of(rng, &[None, None, Some(1), Some(5)]),
            jumps: rng.u8(0..4) == 0,
            large: one_of(rng, &[0, 0, 0, 40]),
            allow_duplicates,
            fetches_tokens,
        }
    }
}

pub(crate) fn one_of<T: Copy>(rng: &mut Rng, values: &[T]) -> T {
    values[rng.usize(0..values.len())]
}

/// Sends as they are and made anew, to fixed entities and to one that the request chooses.
fn routes(fallback: &Option<Json>) -> Json {
    let session = "${'x-session' in request.headers ? request.headers['x-session'] : null}";
    let session = json!({"SessionId": session});
    let mut raw = json!({
        "name": "raw", "match": {"path": "/raw"},
        "send": {"queue": "orders", "broker_properties": session}
    });
    let mut made = json!({
        "name": "made", "match": {"path": "/made"},
        "send": {
            "queue": "${request.json.to}", "allowed": ["blue", "green"],
            "payload": {"n": "${request.json.n}", "poison": "${request.json.poison}"}
        }
    });
    if let Some(fallback) = fallback {
        raw["fallback"] = fallback.clone();
        made["fallback"] = fallback.clone();
    }
    json!([raw, made, {
        "name": "other", "match": {"path": "/other"}, "send": {"topic": "events"},
        "namespace": "fabrikam.servicebus.windows.net", "cluster": "fabrikam",
        "credentials": {"upstream": {}}
    }, {
        "name": "status", "match": {"methods": ["GET"], "path": "/status"},
        "lookup": {"cluster": "store", "authority": "store", "path": "/it", "timeout": "2s"}
    }])
}

fn fallback(rng: &mut Rng, allow_duplicates: bool) -> Option<Json> {
    match rng.u8(0..4) {
        0 => None,
        1 => Some(json!({"queue": "late", "allow_duplicates": allow_duplicates})),
        // Another way to the same queues.
        2 => Some(json!({"cluster": "egress", "allow_duplicates": allow_duplicates})),
        _ => Some(json!({
            "namespace": "north.servicebus.windows.net", "cluster": "north",
            "credentials": {"upstream": {}}, "allow_duplicates": allow_duplicates
        })),
    }
}

fn credentials(rng: &mut Rng) -> Json {
    let key = |name: &str| json!({"inline": name});
    match rng.u8(0..4) {
        0 => json!({"upstream": {}}),
        1 => json!({"sas": {"key_name": "send", "key": key("one")}}),
        2 => json!({
            "sas": {"key_name": "send", "key": key("one"), "secondary_key": key("two")}
        }),
        _ => json!({"managed_identity": {"cluster": "tokens", "source": "imds"}}),
    }
}

fn delivery(rng: &mut Rng) -> Json {
    let mut delivery = json!({
        "timeout": one_of(rng, &["300ms", "2s", "10s"]),
        "attempt_timeout": one_of(rng, &["200ms", "1s", "5s"]),
        "max_in_flight": one_of(rng, &[8, 64, 1024]),
        "max_buffered_bytes": one_of(rng, &[2_000, 1 << 20, 64 << 20]),
        "retries": {
            "max": one_of(rng, &[0, 1, 3, 9]),
            "base": one_of(rng, &["1ms", "200ms", "2s"]),
            "cap": one_of(rng, &["10ms", "1s", "5s"]),
            "budget_percent": one_of(rng, &[0, 20, 100, 100])
        },
        "circuit_breaker": {
            "failures": one_of(rng, &[0, 1, 3, 5]), "open_for": one_of(rng, &["50ms", "1s", "30s"])
        }
    });
    if rng.bool() {
        delivery["batch"] = json!({
            "max_messages": one_of(rng, &[1, 2, 10, 100]),
            "linger": one_of(rng, &["0s", "1ms", "5ms", "50ms", "250ms"])
        });
    }
    delivery
}
