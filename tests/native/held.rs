//! What a worker keeps of requests, and how much of it there may be.

use std::rc::Rc;

use crate::common::exchange::{problem, random};
use crate::common::{START, request, sender};
use envoy_service_bus::buffer::Buffer;
use envoy_service_bus::delivery::Sender;
use envoy_service_bus::exchange::{Exchange, Step};
use envoy_service_bus::http::Headers;
use envoy_service_bus::template::Attributes;
use serde_json::{Value as Json, json};

fn route(send: Json, reply: Json) -> Rc<Sender> {
    sender(send, reply, json!({}))
}

fn queue(key: &str, value: Json) -> Json {
    json!({"queue": "orders", key: value})
}

/// A slow client's headers: 40 KB that no route here names.
fn large() -> Headers {
    let cookie = vec![b'c'; 40_000];
    request(&[("cookie", &cookie), ("x-a", b"1"), ("content-type", b"text/plain")])
}

#[test]
fn a_header_is_kept_when_something_reads_it() {
    let x_a = "${request.headers['x-a']}";
    let reading = [
        route(queue("payload", json!({"a": x_a})), json!({})),
        route(queue("content_type", json!(x_a)), json!({})),
        route(queue("broker_properties", json!({"Label": x_a})), json!({})),
        route(queue("properties", json!({"a": "${'x-a' in request.headers}"})), json!({})),
        route(queue("forward_headers", json!(["X-A"])), json!({})),
        route(queue("forward_headers", json!([{"header": "x-a", "as": "b"}])), json!({})),
        route(json!({"queue": x_a, "allowed": ["1"]}), json!({})),
        route(json!({"queue": "orders"}), json!({"headers": {"x-b": x_a}})),
        route(json!({"queue": "orders"}), json!({"body": {"b": x_a}})),
        route(
            json!({"queue": "orders"}),
            json!({"failures": {"throttled": {"body": {"b": "${'a' + request.headers['x-a']}"}}}}),
        ),
        route(queue("properties", json!({"a": "${request.headers[request.json.a]}"})), json!({})),
        route(queue("properties", json!({"a": "${size(request.headers)}"})), json!({})),
    ];
    for sender in &reading {
        assert!(sender.routes[0].headers.has(b"x-a"), "{:?}", sender.routes[0]);
    }
    let plain = route(json!({"queue": "orders"}), json!({}));
    let headers = &plain.routes[0].headers;
    assert!(!headers.has(b"x-a") && !headers.has(b"cookie") && !headers.has(b":path"));
    for name in ["content-type", "traceparent", "tracestate"] {
        assert!(headers.has(name.as_bytes()), "{name}");
    }
    for (value, name) in [
        ("${request.path}", ":path"),
        ("${request.query.a}", ":path"),
        ("${request.url_path}", ":path"),
        ("${request.host}", ":authority"),
        ("${request.method}", ":method"),
        ("${request.scheme}", ":scheme"),
        ("${request.id}", "x-request-id"),
    ] {
        let sender = route(queue("properties", json!({"a": value})), json!({}));
        assert!(sender.routes[0].headers.has(name.as_bytes()), "{value}");
    }
}

#[test]
fn what_no_route_reads_takes_no_memory() {
    let buffer = Buffer::new(10_000);
    let sender = route(json!({"queue": "orders"}), json!({}));
    let waiting: Vec<_> = (0..10)
        .map(|_| {
            let mut exchange = Exchange::new(Rc::clone(&sender), Rc::clone(&buffer), random);
            assert!(matches!(exchange.headers_arrived(large()), Step::Wait));
            exchange
        })
        .collect();
    assert!((1_000..10_000).contains(&buffer.held()), "{}", buffer.held());
    drop(waiting);
    assert_eq!(buffer.held(), 0);
}

#[test]
fn above_the_bound_a_request_is_refused_while_it_is_received() {
    let buffer = Buffer::new(60_000);
    let sender = route(queue("properties", json!({"a": "${size(request.headers)}"})), json!({}));
    let opened = || {
        let mut exchange = Exchange::new(Rc::clone(&sender), Rc::clone(&buffer), random);
        let step = exchange.headers_arrived(large());
        (exchange, step)
    };
    let (first, step) = opened();
    assert!(matches!(step, Step::Wait));
    let (_, step) = opened();
    let (status, problem) = problem(step);
    assert_eq!((status, &problem["reason"]), (503, &json!("overloaded")));
    drop(first);
    assert_eq!(buffer.held(), 0);
    assert!(matches!(opened().1, Step::Wait));
}

#[test]
fn claims_and_the_reply_count_too() {
    let reply = json!({"body": {"echo": "${request.json.a}"}});
    let sender = route(json!({"queue": "orders"}), reply);
    let ended = |limit: usize, jwt: Option<Json>| {
        let buffer = Buffer::new(limit);
        let mut exchange = Exchange::new(Rc::clone(&sender), buffer, random);
        let _ = exchange.headers_arrived(request(&[]));
        let body = format!(r#"{{"a":"{}"}}"#, "a".repeat(5_000)).into_bytes();
        let attributes = Attributes { jwt, ..Attributes::default() };
        let step = exchange.request_ended(body, START, attributes);
        let held = exchange.held_bytes();
        (step, held)
    };
    let (step, held) = ended(100_000, None);
    assert!(matches!(step, Step::Send(_)) && held > 5_000);
    let (step, _) = ended(5_000, None);
    assert_eq!(problem(step).1["reason"], "overloaded");
    let (_, with_claims) = ended(100_000, Some(json!({"groups": ["g".repeat(3_000)]})));
    assert!(with_claims > held + 3_000);
}
