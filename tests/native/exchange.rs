//! One request: every state meets every event.

use std::rc::Rc;

use crate::common::exchange::{
    Kind, buffer, found, kind, lookup_opened, opened, other_request, problem, random, reply,
    settlement,
};
use crate::common::{START, UUID, plain_sender, request, sender};
use envoy_service_bus::exchange::{Exchange, Step};
use envoy_service_bus::http::header;
use envoy_service_bus::outcome::{Failure, Outcome, Reason};
use envoy_service_bus::template::Attributes;
use serde_json::{Value as Json, json};

fn failed() -> Outcome {
    Outcome::Failed(Failure::new(Reason::BrokerError, ""))
}

#[test]
fn every_state_meets_every_event() {
    type Build = fn() -> Exchange;
    type Event = fn(&mut Exchange) -> Step;
    let fresh: Build = || Exchange::new(plain_sender(), buffer(), random);
    let passing: Build = || opened(other_request()).0;
    let receiving: Build = || opened(request(&[])).0;
    let sending: Build = || {
        let mut exchange = opened(request(&[])).0;
        let _ = exchange.request_ended(b"{}".to_vec(), START, Attributes::default());
        exchange
    };
    let answered: Build = || {
        let mut exchange = opened(request(&[])).0;
        let _ = exchange.request_ended(b"{}".to_vec(), START, Attributes::default());
        let _ = exchange.settled(settlement(Outcome::Accepted));
        exchange
    };
    let inquiring: Build = || {
        let mut exchange = lookup_opened("/orders/1/status");
        let _ = exchange.request_ended(vec![], START, Attributes::default());
        exchange
    };
    let states = [fresh, passing, receiving, sending, inquiring, answered];

    let events: [(&str, Event); 10] = [
        ("our headers", |e| e.headers_arrived(request(&[]))),
        ("other headers", |e| e.headers_arrived(other_request())),
        ("small body", |e| e.body_grew(262_144)),
        ("large body", |e| e.body_grew(262_145)),
        ("end", |e| e.request_ended(b"{}".to_vec(), START, Attributes::default())),
        ("large end", |e| e.request_ended(vec![b'a'; 262_145], START, Attributes::default())),
        ("accepted", |e| e.settled(settlement(Outcome::Accepted))),
        ("found", |e| e.settled(settlement(Outcome::Found(found(b"{}"))))),
        ("failed", |e| e.settled(settlement(failed()))),
        ("no clock", |e| e.failed(Failure::new(Reason::CredentialsUnavailable, ""))),
    ];
    use Kind::{Pass, Send, Wait};
    // One row an event; columns fresh, passing, receiving, sending, inquiring, answered.
    let table = [
        [Wait, Pass, Wait, Wait, Wait, Wait],
        [Pass, Pass, Wait, Wait, Wait, Wait],
        [Wait, Pass, Wait, Wait, Wait, Wait],
        [Wait, Pass, Kind::Reply(413), Wait, Wait, Wait],
        [Wait, Pass, Send, Wait, Wait, Wait],
        [Wait, Pass, Kind::Reply(413), Wait, Wait, Wait],
        // A lookup is never answered by a stored message, nor a message by a lookup.
        [Wait, Pass, Wait, Kind::Reply(202), Wait, Wait],
        [Wait, Pass, Wait, Wait, Kind::Reply(200), Wait],
        [Wait, Pass, Wait, Kind::Reply(503), Kind::Reply(503), Wait],
        [Wait, Pass, Kind::Reply(503), Kind::Reply(503), Kind::Reply(503), Wait],
    ];
    for ((name, event), row) in events.into_iter().zip(table) {
        for (state, expected) in states.into_iter().zip(row) {
            let mut exchange = state();
            let shown = format!("{exchange:?}");
            assert_eq!(kind(&event(&mut exchange)), expected, "{name} in {shown}");
        }
    }
}

#[test]
fn a_request_is_answered_once() {
    let (mut exchange, _) = opened(request(&[]));
    let _ = exchange.request_ended(vec![], START, Attributes::default());
    assert_eq!(exchange.waiting_on(), Some(0));
    assert_eq!(reply(exchange.settled(settlement(Outcome::Accepted))).status, 202);
    assert_eq!(exchange.waiting_on(), None);
    assert_eq!(kind(&exchange.settled(settlement(Outcome::Accepted))), Kind::Wait);
}

#[test]
fn the_tracking_id_is_the_idempotency_key_or_a_uuid() {
    let longest = [b'k'; 128];
    let cases: [(&[u8], &str); 3] =
        [(b"order-1", "order-1"), (b"!\"\\~", "!\"\\~"), (&longest, &"k".repeat(128))];
    for (key, id) in cases {
        let (mut exchange, step) = opened(request(&[("idempotency-key", key)]));
        assert_eq!(kind(&step), Kind::Wait);
        let _ = exchange.request_ended(vec![], START, Attributes::default());
        let reply = reply(exchange.settled(settlement(Outcome::Accepted)));
        assert!(reply.headers.contains(&header("x-tracking-id", id.to_owned())));
        let body: Json = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(body, json!({"status": "accepted", "trackingId": id}));
    }
    let (mut exchange, _) = opened(request(&[("x-request-id", b"from-the-client")]));
    let _ = exchange.request_ended(vec![], START, Attributes::default());
    let reply = reply(exchange.settled(settlement(Outcome::Accepted)));
    assert!(reply.headers.contains(&header("x-tracking-id", UUID)));
}

#[test]
fn a_bad_idempotency_key_is_refused_before_the_body() {
    let longer = [b'k'; 129];
    for key in [&b""[..], b"a b", b"a\tb", b"\xc3\xa9", b"\xff", b"\x7f", &longer] {
        let (_, step) = opened(request(&[("idempotency-key", key)]));
        let (status, problem) = problem(step);
        assert_eq!(status, 400, "{key:?}");
        assert_eq!(
            problem,
            json!({
                "type": "about:blank",
                "title": "Bad Request",
                "status": 400,
                "detail": "Idempotency-Key must be 1 to 128 visible ASCII characters",
                "reason": "invalid_message",
                "trackingId": UUID
            })
        );
    }
    let (_, step) = opened(request(&[("idempotency-key", b"a"), ("idempotency-key", b"a")]));
    let (status, problem) = problem(step);
    assert_eq!((status, &problem["reason"]), (400, &json!("invalid_message")));
    assert_eq!(problem["detail"], "Idempotency-Key stands more than once");
}

#[test]
fn a_body_too_large_is_refused_before_it_is_here() {
    for (length, status) in [(&b"262144"[..], None), (b"262145", Some(413)), (b"x", None)] {
        let (_, step) = opened(request(&[("content-length", length)]));
        match status {
            None => assert_eq!(kind(&step), Kind::Wait),
            Some(status) => {
                let (found, problem) = problem(step);
                assert_eq!(found, status);
                assert_eq!(problem["reason"], "payload_too_large");
                assert_eq!(problem["title"], "Content Too Large");
                assert_eq!(problem["detail"], "the body has more than 262144 bytes");
            }
        }
    }
}

#[test]
fn a_message_that_cannot_be_sent_is_the_clients_fault() {
    let (mut exchange, _) =
        opened(request(&[("content-type", b"application/vnd.microsoft.servicebus.json")]));
    let (status, problem) = problem(exchange.request_ended(vec![], START, Attributes::default()));
    assert_eq!((status, &problem["reason"]), (400, &json!("invalid_message")));
    assert_eq!(
        problem["detail"],
        "the content type application/vnd.microsoft.servicebus.json is not accepted"
    );
    // The body fits, and with its properties it does not.
    let (mut exchange, _) = opened(request(&[]));
    let (status, problem) = super_large(&mut exchange);
    assert_eq!((status, &problem["reason"]), (413, &json!("payload_too_large")));
    assert_eq!(problem["detail"], "the message has 262189 bytes, the limit is 262144");
}

fn super_large(exchange: &mut Exchange) -> (u16, Json) {
    problem(exchange.request_ended(vec![0; 262_144], START, Attributes::default()))
}

#[test]
fn without_random_bytes_there_is_no_id_and_no_message() {
    let mut exchange = Exchange::new(plain_sender(), buffer(), || None);
    let (status, problem) = problem(exchange.headers_arrived(request(&[])));
    assert_eq!((status, &problem["reason"]), (503, &json!("misconfigured")));
    // A client's key needs none.
    let mut exchange = Exchange::new(plain_sender(), buffer(), || None);
    let step = exchange.headers_arrived(request(&[("idempotency-key", b"k")]));
    assert_eq!(kind(&step), Kind::Wait);
}

#[test]
fn the_first_route_that_matches_sends() {
    let sender = sender(
        json!({}),
        json!({}),
        json!({"routes": [
            {"name": "vip", "match": {"path": "/orders", "headers": {"x-vip": "1"}},
             "send": {"queue": "vip"}},
            {"name": "all", "match": {"methods": ["GET", "POST"], "path_prefix": "/"}, "send": {"topic": "all"}}
        ]}),
    );
    let entity = |headers| {
        let mut exchange = Exchange::new(Rc::clone(&sender), buffer(), random);
        let _ = exchange.headers_arrived(headers);
        match exchange.request_ended(vec![], START, Attributes::default()) {
            Step::Send(submission) => submission.entity.path.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(entity(request(&[("x-vip", b"1")])), "vip");
    assert_eq!(entity(request(&[("x-vip", b"2")])), "all");
    assert_eq!(entity(other_request()), "all");
}

#[test]
fn the_reply_is_the_routes() {
    let sender = sender(
        json!({"queue": "orders"}),
        json!({"status": 200, "headers": {"retry-after": "30", "Content-Type": "application/hal+json"},
               "body": {"status": "processing", "n": [1, null]}}),
        json!({}),
    );
    let mut exchange = Exchange::new(sender, buffer(), random);
    let _ = exchange.headers_arrived(request(&[]));
    let _ = exchange.request_ended(vec![], START, Attributes::default());
    let reply = reply(exchange.settled(settlement(Outcome::Accepted)));
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body, br#"{"status":"processing","n":[1,null]}"#);
    assert_eq!(reply.details, "service_bus_accepted");
    let header = |name: &str| {
        let found: Vec<_> =
            reply.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| &**v).collect();
        found.join("|")
    };
    assert_eq!(header("content-type"), "application/hal+json");
    assert_eq!(header("retry-after"), "30");
    assert_eq!(header("x-tracking-id"), UUID);
}

#[test]
fn each_reason_has_its_answer() {
    let none = None;
    let table = [
        (Reason::BrokerError, 503, Some("5"), "broker_error"),
        (Reason::BrokerForbidden, 503, none, "broker_forbidden"),
        (Reason::BrokerUnauthorized, 503, none, "broker_unauthorized"),
        (Reason::BrokerUnreachable, 503, Some("5"), "broker_unreachable"),
        (Reason::CredentialsUnavailable, 503, Some("5"), "credentials_unavailable"),
        (Reason::EntityNotFound, 503, none, "entity_not_found"),
        (Reason::InvalidMessage, 400, none, "invalid_message"),
        (Reason::MessageRejected, 503, none, "message_rejected"),
        (Reason::Misconfigured, 503, none, "misconfigured"),
        (Reason::OutcomeUnknown, 503, Some("5"), "outcome_unknown"),
        (Reason::Overloaded, 503, Some("1"), "overloaded"),
        (Reason::PayloadTooLarge, 413, none, "payload_too_large"),
        (Reason::QuotaExceeded, 503, Some("30"), "quota_exceeded"),
        (Reason::Throttled, 503, Some("10"), "throttled"),
    ];
    for (reason, status, retry_after, word) in table {
        let (mut exchange, _) = opened(request(&[]));
        let _ = exchange.request_ended(vec![], START, Attributes::default());
        let failure = Failure::new(reason, "canary: what the broker said");
        let reply = reply(exchange.settled(settlement(Outcome::Failed(failure))));
        assert_eq!(reply.status, status, "{word}");
        let header = |name| reply.headers.iter().find(|(n, _)| n == name).map(|(_, v)| &**v);
        assert_eq!(header("retry-after"), retry_after, "{word}");
        assert_eq!(header("content-type"), Some("application/problem+json"));
        assert_eq!(header("x-tracking-id"), Some(UUID));
        assert_eq!(reply.details, format!("service_bus_{word}"));
        let problem: Json = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(problem["reason"], word);
        assert_eq!(problem["status"], status);
        assert_eq!(problem["trackingId"], UUID);
        assert!(!String::from_utf8_lossy(&reply.body).contains("canary"), "{word}");
    }
}

#[test]
fn the_brokers_wish_comes_before_our_own() {
    let (mut exchange, _) = opened(request(&[]));
    let _ = exchange.request_ended(vec![], START, Attributes::default());
    let failure = Failure { retry_after: Some(77), ..Failure::new(Reason::Throttled, "") };
    let reply = reply(exchange.settled(settlement(Outcome::Failed(failure))));
    assert!(reply.headers.contains(&header("retry-after", "77")));
}
