//! A second destination, and when it is tried.

use std::time::Duration;

use crate::common::delivery::{Worker, answer, not_connected, proxy_answer, timed_out};
use crate::common::sender;
use envoy_service_bus::delivery::{Effect, Event};
use envoy_service_bus::http::Response;
use envoy_service_bus::outcome::{Outcome, Reason, Served};
use serde_json::{Value as Json, json};

fn worker(allow_duplicates: bool, delivery: Json) -> Worker {
    let route = json!({
        "name": "orders", "match": {"path": "/orders"}, "send": {"queue": "orders"},
        "fallback": {
            "namespace": "north.servicebus.windows.net", "cluster": "north", "queue": "late",
            "allow_duplicates": allow_duplicates
        }
    });
    Worker::new(sender(json!({}), json!({}), json!({"routes": [route], "delivery": delivery})))
}

/// The same queue of the same namespace, by another way.
fn by_another_cluster(delivery: Json) -> Worker {
    let route = json!({
        "name": "orders", "match": {"path": "/orders"}, "send": {"queue": "orders"},
        "fallback": {"cluster": "north"}
    });
    Worker::new(sender(json!({}), json!({}), json!({"routes": [route], "delivery": delivery})))
}

fn once() -> Json {
    json!({"retries": {"max": 0}})
}

/// The clusters that a message comes to, and what its client is told, when the first destination
/// answers as given and the second with 201.
fn path(mut worker: Worker, first: &Response) -> (Vec<String>, Option<Reason>, Served) {
    worker.submit(1, b"{}");
    let mut clusters = vec![];
    loop {
        match worker.next() {
            Effect::Dispatch(attempt, callout, _) => {
                let answer = if &*callout.cluster == "north" {
                    assert_eq!(&*callout.path, "/late/messages");
                    assert_eq!(&*callout.authority, "north.servicebus.windows.net");
                    answer("201")
                } else {
                    first.clone()
                };
                clusters.push(callout.cluster.to_string());
                worker.answer(attempt, answer);
            }
            Effect::Finish(_, settlement) => {
                assert_eq!(settlement.attempts as usize, clusters.len());
                assert!(worker.delivery.is_quiet());
                let reason = match settlement.outcome {
                    Outcome::Failed(failure) => Some(failure.reason),
                    _ => None,
                };
                return (clusters, reason, settlement.served);
            }
            Effect::Forget(_) | Effect::Tell(_) => {}
        }
    }
}

#[test]
fn it_is_tried_when_the_first_has_certainly_not_stored_the_message() {
    for first in [not_connected(), answer("429"), answer("503")] {
        let (clusters, reason, served) = path(worker(false, once()), &first);
        assert_eq!(clusters, ["servicebus", "north"], "{first:?}");
        assert_eq!((reason, served), (None, Served::Fallback));
    }
    let refused = [
        (timed_out(), Reason::OutcomeUnknown),
        (answer("500"), Reason::BrokerError),
        // An egress proxy may say so after the message was sent.
        (proxy_answer("503"), Reason::OutcomeUnknown),
        (answer("400"), Reason::MessageRejected),
        (answer("404"), Reason::EntityNotFound),
        (answer("403"), Reason::BrokerForbidden),
    ];
    for (first, expected) in refused {
        let (clusters, reason, served) = path(worker(false, once()), &first);
        assert_eq!(clusters, ["servicebus"], "{first:?}");
        assert_eq!((reason, served), (Some(expected), Served::Primary));
    }
}

#[test]
fn the_operator_may_allow_duplicates() {
    for first in [timed_out(), answer("500"), Response::default()] {
        let (clusters, reason, _) = path(worker(true, once()), &first);
        assert_eq!((clusters.len(), reason), (2, None), "{first:?}");
    }
    let (clusters, reason, _) = path(worker(true, once()), &answer("400"));
    assert_eq!((clusters.len(), reason), (1, Some(Reason::MessageRejected)));
}

#[test]
fn it_is_tried_after_the_retries() {
    let (clusters, _, _) = path(worker(false, json!({})), &answer("503"));
    assert_eq!(clusters, ["servicebus", "servicebus", "servicebus", "servicebus", "north"]);
}

#[test]
fn it_has_half_of_the_time() {
    let (half, whole) = (Duration::from_secs(1), Duration::from_secs(2));
    let mut by_retry = 0;
    for seed in 0..300 {
        let allow_duplicates = seed % 2 == 0;
        let delivery = json!({
            "timeout": "2s", "retries": {"base": "300ms", "cap": "5s", "max": 9},
            "circuit_breaker": {"failures": 0}
        });
        let mut worker = worker(allow_duplicates, delivery).seeded(seed);
        let start = worker.now.monotonic;
        worker.submit(1, b"{}");
        let (mut attempt, mut callout) = worker.next_dispatch();
        let mut sends = 0;
        while &*callout.cluster == "servicebus" {
            sends += 1;
            let silent = allow_duplicates && sends == 3;
            // No answer at all, or one that takes a while.
            worker.now += if silent { callout.timeout } else { Duration::from_millis(20) };
            worker.answer(attempt, if silent { timed_out() } else { not_connected() });
            (attempt, callout) = worker.next_dispatch();
        }
        assert_eq!(&*callout.cluster, "north");
        let passed = worker.now.monotonic - start;
        // An answer may come a little after half of the time.
        assert!(passed <= half + Duration::from_millis(20), "{seed}: {passed:?}");
        assert_eq!(callout.timeout, whole - passed, "{seed}");
        by_retry += sends - 1;
        worker.answer(attempt, answer("201"));
        assert_eq!(worker.settled(), (1, None));
    }
    assert!(by_retry > 300, "{by_retry}");
}

#[test]
fn an_attempt_leaves_it_its_half_where_it_may_take_over() {
    let delivery =
        || json!({"timeout": "2s", "attempt_timeout": "1500ms", "retries": {"base": "1ms"}});
    let timeouts = |allow_duplicates| {
        let mut worker = worker(allow_duplicates, delivery());
        worker.submit(1, b"{}");
        let (attempt, first) = worker.dispatched();
        worker.pass(Duration::from_millis(700));
        worker.answer(attempt, answer("500"));
        let (_, second) = worker.next_dispatch();
        assert_eq!(&*second.cluster, "servicebus");
        (first.timeout.as_millis(), second.timeout.as_millis())
    };
    let (first, second) = timeouts(true);
    assert!(first == 1000 && (298..=300).contains(&second), "{first} {second}");
    // What is in doubt goes nowhere else, and may have all of the time.
    let (first, second) = timeouts(false);
    assert!(first == 1500 && (1298..=1300).contains(&second), "{first} {second}");
}

#[test]
fn it_is_tried_at_once_while_the_breaker_is_open() {
    let delivery = json!({"retries": {"max": 0}, "circuit_breaker": {"failures": 1}});
    let mut worker = worker(false, delivery);
    worker.submit(1, b"{}");
    let (attempt, _) = worker.dispatched();
    worker.answer(attempt, answer("500"));
    assert_eq!(worker.settled(), (1, Some(Reason::BrokerError)));
    worker.submit(2, b"{}");
    let (attempt, callout) = worker.dispatched();
    assert_eq!(&*callout.cluster, "north");
    assert!(worker.events.iter().any(|event| matches!(event, Event::FellBack { .. })));
    // The second has a breaker of its own.
    worker.answer(attempt, answer("500"));
    worker.failure();
    worker.submit(3, b"{}");
    assert_eq!(worker.failure().reason, Reason::CircuitOpen);
}

#[test]
fn two_ways_to_a_namespace_have_two_breakers() {
    let delivery = json!({"retries": {"max": 0}, "circuit_breaker": {"failures": 1}});
    let mut worker = by_another_cluster(delivery);
    for stream in 1..=2 {
        worker.submit(stream, b"{}");
        let (mut attempt, mut callout) = worker.dispatched();
        if stream == 1 {
            assert_eq!(&*callout.cluster, "servicebus");
            worker.answer(attempt, not_connected());
            (attempt, callout) = worker.dispatched();
        }
        assert_eq!(&*callout.cluster, "north");
        worker.answer(attempt, answer("201"));
        assert_eq!(worker.settled(), (stream, None));
    }
}

#[test]
fn what_an_earlier_send_may_have_stored_stays() {
    let mut worker = worker(false, json!({"retries": {"max": 1}}));
    worker.submit(1, b"{}");
    let (attempt, _) = worker.next_dispatch();
    worker.answer(attempt, timed_out());
    let (attempt, _) = worker.next_dispatch();
    worker.answer(attempt, not_connected());
    assert_eq!(worker.settled(), (1, Some(Reason::OutcomeUnknown)));
}
