//! Requests at some point of their life.

use std::rc::Rc;

use envoy_service_bus::buffer::Buffer;
use envoy_service_bus::exchange::{Exchange, Step};
use envoy_service_bus::http::Found;
use envoy_service_bus::http::Headers;
use envoy_service_bus::outcome::{Outcome, SendResult, Served};
use envoy_service_bus::reply::Reply;
use serde_json::{Value as Json, json};

use super::{RANDOM, plain_sender, sender};

pub(crate) fn random() -> Option<[u8; 16]> {
    Some(RANDOM)
}

/// Room for all that a test holds.
pub(crate) fn buffer() -> Rc<Buffer> {
    Buffer::new(1 << 30)
}

pub(crate) fn opened(headers: Headers) -> (Exchange, Step) {
    let mut exchange = Exchange::new(plain_sender(), buffer(), random);
    let step = exchange.headers_arrived(headers);
    (exchange, step)
}

pub(crate) fn reply(step: Step) -> Reply {
    match step {
        Step::Reply(reply, _) => reply,
        other => panic!("no reply: {other:?}"),
    }
}

pub(crate) fn problem(step: Step) -> (u16, Json) {
    let reply = reply(step);
    (reply.status, serde_json::from_slice(&reply.body).unwrap())
}

pub(crate) fn other_request() -> Headers {
    [(":method", "GET"), (":authority", "a"), (":path", "/other")].into_iter().collect()
}

/// A GET of a route that looks up `/order:status:{id}`.
pub(crate) fn lookup_opened(path: &str) -> Exchange {
    let route = json!({
        "name": "status",
        "match": {"methods": ["GET"], "path_template": "/orders/{id}/status"},
        "lookup": {"cluster": "store", "authority": "store:80", "path": "/order:status:${path.id}",
                   "timeout": "2s"},
        "reply": {"body": {"id": "${lookup.json.trackingId}", "progress": "${lookup.json.progress}"},
                  "failures": {"not_found": {"status": 410, "body": {"gone": "${path.id}"}}}}
    });
    let config = sender(json!({}), json!({}), json!({"routes": [route]}));
    let mut exchange = Exchange::new(config, buffer(), random);
    let headers = [(":method", "GET"), (":authority", "a"), (":path", path)];
    assert_eq!(kind(&exchange.headers_arrived(headers.into_iter().collect())), Kind::Wait);
    exchange
}

pub(crate) fn found(body: &[u8]) -> Found {
    Found { status: 200, headers: Headers::default(), body: body.to_vec() }
}

/// What delivery says after one callout.
pub(crate) fn settlement(outcome: Outcome) -> SendResult {
    SendResult { outcome, attempts: 1, served: Served::Primary }
}

/// What an event may lead to.
#[derive(Debug, PartialEq)]
pub(crate) enum Kind {
    Change,
    Forward,
    LookUp,
    Pass,
    Reply(u16),
    Send,
    Wait,
}

pub(crate) fn kind(step: &Step) -> Kind {
    match step {
        Step::Change(_) => Kind::Change,
        Step::Forward(..) => Kind::Forward,
        Step::LookUp(_) => Kind::LookUp,
        Step::Pass => Kind::Pass,
        Step::Reply(reply, _) => Kind::Reply(reply.status),
        Step::Send(_) => Kind::Send,
        Step::Wait => Kind::Wait,
    }
}
