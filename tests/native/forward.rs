//! Requests that go on to the backend after their message.

use std::rc::Rc;

use crate::common::configuration::{error, with};
use crate::common::exchange::{
    Kind, buffer, kind, other_request, problem, random, reply, settlement,
};
use crate::common::{START, UUID, request, sender};
use envoy_service_bus::delivery::Sender;
use envoy_service_bus::exchange::{Exchange, Forwarding, Report, Step};
use envoy_service_bus::http::Found;
use envoy_service_bus::http::{Header, header};
use envoy_service_bus::outcome::{Failure, Outcome, Reason};
use envoy_service_bus::template::Attributes;
use serde_json::{Value as Json, json};

/// A sender whose only route forwards.
fn forwarding(forward: Json, rest: Json) -> Rc<Sender> {
    let mut route = json!({
        "name": "orders", "match": {"path": "/orders"}, "send": {"queue": "orders"},
        "forward": forward
    });
    for (key, value) in rest.as_object().unwrap() {
        route[key] = value.clone();
    }
    sender(json!({}), json!({}), json!({"routes": [route]}))
}

fn receiving(sender: &Rc<Sender>) -> Exchange {
    let mut exchange = Exchange::new(Rc::clone(sender), buffer(), random);
    assert_eq!(kind(&exchange.headers_arrived(request(&[("x-user", b"alice")]))), Kind::Wait);
    exchange
}

fn sending(sender: &Rc<Sender>) -> Exchange {
    let mut exchange = receiving(sender);
    assert_eq!(kind(&end(&mut exchange)), Kind::Send);
    exchange
}

fn end(exchange: &mut Exchange) -> Step {
    exchange.request_ended(b"{}".to_vec(), START, Attributes::default())
}

fn accepted(exchange: &mut Exchange) -> Step {
    exchange.settled(settlement(Outcome::Accepted))
}

fn failed(exchange: &mut Exchange) -> Step {
    exchange.settled(settlement(Outcome::Failed(Failure::new(Reason::Throttled, "busy"))))
}

fn forwarded(step: Step) -> (Forwarding, Report) {
    match step {
        Step::Forward(forwarding, report) => (forwarding, report),
        other => panic!("{other:?}"),
    }
}

fn added(headers: &[(&'static str, &'static str)]) -> Vec<Header> {
    headers.iter().map(|(name, value)| header(*name, *value)).collect()
}

#[test]
fn every_state_meets_every_event() {
    type Event = fn(&mut Exchange) -> Step;
    let events: [(&str, Event); 12] = [
        ("our headers", |e| e.headers_arrived(request(&[]))),
        ("other headers", |e| e.headers_arrived(other_request())),
        ("small body", |e| e.body_grew(262_144)),
        ("large body", |e| e.body_grew(262_145)),
        ("end", end),
        ("large end", |e| e.request_ended(vec![b'a'; 262_145], START, Attributes::default())),
        ("accepted", accepted),
        ("found", |e| e.settled(settlement(Outcome::Found(Found::default())))),
        ("failed", failed),
        ("no clock", |e| e.failed(Failure::new(Reason::CredentialsUnavailable, ""))),
        ("stuck", |e| e.stuck("status 5".to_owned())),
        ("gone on", Exchange::gone_on),
    ];
    use Kind::{Forward, Pass, Reply, Send, Wait};
    // One row an event; columns fresh, receiving, sending, forwarded, answered.
    let table = |on_failure: Kind| {
        [
            [Wait, Wait, Wait, Pass, Wait],
            [Pass, Wait, Wait, Pass, Wait],
            [Wait, Wait, Wait, Pass, Wait],
            [Wait, Reply(413), Wait, Pass, Wait],
            [Wait, Send, Wait, Pass, Wait],
            [Wait, Reply(413), Wait, Pass, Wait],
            [Wait, Wait, Forward, Pass, Wait],
            [Wait, Wait, Wait, Pass, Wait],
            [Wait, Wait, on_failure, Pass, Wait],
            [Wait, Reply(503), Wait, Pass, Wait],
            [Wait, Wait, Wait, Reply(503), Wait],
            [Wait, Wait, Wait, Pass, Wait],
        ]
    };
    for (on_failure, expected) in [("reply", Reply(503)), ("forward", Forward)] {
        let sender = forwarding(json!({"on_failure": on_failure}), json!({}));
        let states: [&dyn Fn() -> Exchange; 5] = [
            &|| Exchange::new(Rc::clone(&sender), buffer(), random),
            &|| receiving(&sender),
            &|| sending(&sender),
            &|| {
                let mut exchange = sending(&sender);
                let _ = accepted(&mut exchange);
                exchange
            },
            &|| {
                let mut exchange = receiving(&sender);
                let _ = exchange.body_grew(262_145);
                exchange
            },
        ];
        for ((name, event), row) in events.into_iter().zip(table(expected)) {
            for (state, expected) in states.iter().zip(row) {
                let mut exchange = state();
                let shown = format!("{exchange:?}");
                // Without a clock nothing is in flight yet.
                let expected =
                    match (name, &expected) {
                        ("no clock", Wait) if shown.contains("Sending(") => {
                            if on_failure == "reply" { Reply(503) } else { Forward }
                        }
                        _ => expected,
                    };
                assert_eq!(kind(&event(&mut exchange)), expected, "{name} in {shown}");
            }
        }
    }
}

#[test]
fn a_request_goes_on_once_with_what_the_route_says() {
    let headers = json!({
        "X-Message-Id": "${message.id}", "x-of": "${request.headers['x-user']} ${tracking_id}",
        "x-fixed": "a", "x-absent": "${request.json.absent}"
    });
    let broker = json!({"MessageId": "m-${tracking_id}"});
    let send = json!({"queue": "orders", "broker_properties": broker});
    let sender = forwarding(json!({"headers": headers}), json!({"send": send}));
    let mut exchange = sending(&sender);
    let (forwarding, report) = forwarded(accepted(&mut exchange));
    let own = ["x-tracking-id", "x-service-bus-outcome"];
    let named = ["x-message-id", "x-of", "x-fixed", "x-absent"];
    assert_eq!(forwarding.removed, [own.as_slice(), &named].concat());
    let id = format!("m-{UUID}");
    let expected = [
        header("x-message-id", id),
        header("x-of", format!("alice {UUID}")),
        header("x-fixed", "a"),
        header("x-tracking-id", UUID),
    ];
    assert_eq!(forwarding.added, expected);
    assert_eq!((report.outcome, report.attempts), ("forwarded", 1));
    assert!(report.failure.is_none());
    assert_eq!(exchange.waiting_on(), None);
    assert!(exchange.held_bytes() > 0);
    assert_eq!(kind(&exchange.gone_on()), Kind::Pass);
    // The backend may take its time.
    assert_eq!(exchange.held_bytes(), 0);
    for step in [accepted(&mut exchange), exchange.stuck(String::new()), end(&mut exchange)] {
        assert_eq!(kind(&step), Kind::Pass);
    }
}

#[test]
fn a_request_goes_on_unsent_only_where_the_route_says_so() {
    let mut exchange = sending(&forwarding(json!({}), json!({})));
    let (status, body) = problem(failed(&mut exchange));
    assert_eq!((status, &body["reason"]), (503, &json!("throttled")));

    let mut exchange = sending(&forwarding(json!({"on_failure": "forward"}), json!({})));
    let (forwarding, report) = forwarded(failed(&mut exchange));
    let marked = [("x-tracking-id", UUID), ("x-service-bus-outcome", "throttled")];
    assert_eq!(forwarding.added, added(&marked));
    assert_eq!((report.outcome, report.failure.unwrap().reason), ("throttled", Reason::Throttled));
}

#[test]
fn what_is_wrong_with_a_request_is_never_forwarded() {
    let sender = forwarding(json!({"on_failure": "forward"}), json!({}));
    for headers in [
        request(&[("idempotency-key", b"")]),
        request(&[("content-length", b"262145")]),
        request(&[("content-type", b"application/grpc")]),
    ] {
        let mut exchange = Exchange::new(Rc::clone(&sender), buffer(), random);
        assert!(matches!(kind(&exchange.headers_arrived(headers)), Kind::Reply(400 | 413)));
    }
    let forward = json!({"on_failure": "forward", "headers": {"x-a": "${request.json.a}"}});
    let mut exchange = receiving(&forwarding_of(forward));
    let step = exchange.request_ended("{\"a\":\"é\"}".into(), START, Attributes::default());
    let (status, body) = problem(step);
    assert_eq!(status, 400);
    assert_eq!(body["detail"], "forward.headers.x-a must be visible ASCII characters");
}

fn forwarding_of(forward: Json) -> Rc<Sender> {
    forwarding(forward, json!({}))
}

#[test]
fn a_request_that_envoy_holds_back_is_told_that_its_message_may_be_stored() {
    let mut exchange = sending(&forwarding_of(json!({"on_failure": "forward"})));
    let _ = accepted(&mut exchange);
    let (status, body) = problem(exchange.stuck("status 10".to_owned()));
    assert_eq!((status, &body["reason"]), (503, &json!("outcome_unknown")));
    assert_eq!(kind(&exchange.stuck("status 10".to_owned())), Kind::Wait);
}

#[test]
fn a_dry_run_shows_what_the_backend_would_get() {
    let forward = json!({"headers": {"x-message-id": "${message.id}"}});
    let sender = forwarding(forward, json!({"dry_run": true}));
    let shown = reply(end(&mut receiving(&sender)));
    let body: Json = serde_json::from_slice(&shown.body).unwrap();
    assert_eq!(
        body["forward"],
        json!({
            "removed": ["x-tracking-id", "x-service-bus-outcome", "x-message-id"],
            "headers": {"x-message-id": UUID, "x-tracking-id": UUID}
        })
    );
    assert_eq!(body.get("reply"), None);
}

/// With header_mode continue Envoy lets a request be changed with its headers alone.
#[test]
fn what_cannot_be_changed_later_is_changed_at_once() {
    let early = |forward: Json| {
        let route = json!({"name": "a", "match": {"path": "/orders"}, "send": {"queue": "a"},
                           "forward": forward});
        sender(json!({}), json!({}), json!({"header_mode": "continue", "routes": [route]}))
    };
    let headers = json!({"x-of": "${request.headers['x-user']}"});
    let mut exchange = Exchange::new(early(json!({"headers": headers})), buffer(), random);
    let Step::Change(forwarding) = exchange.headers_arrived(request(&[("x-user", b"alice")]))
    else {
        panic!("nothing is changed")
    };
    assert_eq!(forwarding.removed, ["x-tracking-id", "x-service-bus-outcome", "x-of"]);
    assert_eq!(forwarding.added, added(&[("x-of", "alice"), ("x-tracking-id", UUID)]));
    assert_eq!(kind(&end(&mut exchange)), Kind::Send);
    let (later, report) = forwarded(accepted(&mut exchange));
    assert_eq!((later, report.outcome), (Forwarding::default(), "forwarded"));

    let mut exchange = Exchange::new(early(json!({"headers": headers})), buffer(), random);
    let step = exchange.headers_arrived(request(&[("x-user", b"\xff")]));
    assert_eq!(kind(&step), Kind::Reply(400));

    let mistakes = [
        (json!({"on_failure": "forward"}), "on_failure: needs header_mode pause"),
        (json!({"headers": {"x-a": "${message.id}"}}), "headers.x-a: at offset 2: `message` is"),
        (
            json!({"headers": {"x-a": "${request.json.a}"}}),
            "headers.x-a: at offset 2: `request.json`",
        ),
    ];
    for (forward, message) in mistakes {
        let mut config = with("/routes/0/forward", forward);
        config["header_mode"] = json!("continue");
        let expected = format!("routes[0].forward.{message}");
        assert!(error(&config).starts_with(&expected), "{}", error(&config));
    }
}

#[test]
fn mistakes_name_their_place() {
    let cases = [
        (
            json!({"on_failure": "ignore"}),
            ".on_failure: expected \"reply\" or \"forward\", found \"ignore\"",
        ),
        (
            json!({"headers": {"X-Tracking-Id": "a"}}),
            ".headers.X-Tracking-Id: cannot be set on a request to the backend",
        ),
        (
            json!({"headers": {"x-service-bus-outcome": "a"}}),
            ".headers.x-service-bus-outcome: cannot be set on a request to the backend",
        ),
        (
            json!({"headers": {"host": "a"}}),
            ".headers.host: cannot be set on a request to the backend",
        ),
        (
            json!({"headers": {"x-a": "a", "X-A": "b"}}),
            ".headers.X-A: the header stands here a second time",
        ),
        (
            json!({"headers": {"x-a": "é"}}),
            ".headers.x-a: expected visible ASCII characters, found \"é\"",
        ),
        (
            json!({"headers": {"x-a": "${message.body}"}}),
            ".headers.x-a: at offset 2: unknown name `message.body`, expected one of id",
        ),
        (json!({"status": 202}), ".status: unknown key, expected one of on_failure, headers"),
        (json!(true), ": expected an object, found true"),
    ];
    for (forward, message) in cases {
        assert_eq!(
            error(&with("/routes/0/forward", forward)),
            format!("routes[0].forward{message}")
        );
    }
    let elsewhere = with("/routes/0/send/properties", json!({"a": "${message.id}"}));
    assert_eq!(
        error(&elsewhere),
        "routes[0].send.properties.a: at offset 2: `message` is there in the headers of `forward` \
         alone"
    );
    let mut answered = with("/routes/0/forward", json!({}));
    answered["routes"][0]["reply"] = json!({"status": 200});
    assert_eq!(
        error(&answered),
        "routes[0].reply: with `forward` the client gets the backend's answer: only `failures` \
         fits here"
    );
    let mut gate = with("/routes/0/forward", json!({}));
    gate["role"] = json!("gate");
    assert_eq!(
        error(&gate),
        "routes[0].forward: a gate cannot be woken: `forward` needs envoy.filters.http.buffer in \
         its place"
    );
    let lookup = json!({"cluster": "store", "authority": "store", "path": "/a"});
    let route = json!({"name": "a", "match": {"path": "/a"}, "lookup": lookup, "forward": {}});
    assert_eq!(
        error(&with("/routes", json!([route]))),
        "routes[0].forward: does not go with a lookup"
    );
}
