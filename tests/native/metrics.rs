//! The names of metrics, and what each event changes. Dashboards and alerts are written against
//! them.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::common::delivery::{Worker, answer, message};
use crate::common::sender;
use envoy_service_bus::credentials::{CredentialEvent, KeyRole};
use envoy_service_bus::delivery::Event;
use envoy_service_bus::http::Found;
use envoy_service_bus::metrics::{Kind, Metric, NamespaceMetric, changes};
use envoy_service_bus::outcome::{Failure, Outcome, Reason, Served};
use serde_json::{Value as Json, json};

#[test]
fn names_are_fixed() {
    let requests = Metric::Requests {
        route: "orders v1.2",
        entity: Some("eu/orders"),
        outcome: "accepted",
        destination: Served::Fallback,
    };
    let before = Metric::Requests {
        route: "orders",
        entity: None,
        outcome: "invalid_message",
        destination: Served::Primary,
    };
    let namespace = "contoso.servicebus.windows.net";
    for (metric, name, kind) in [
        (
            requests,
            "service_bus.route.orders_v1_2.entity.eu_orders.outcome.accepted.destination.fallback\
             .requests",
            Kind::Counter,
        ),
        (
            before,
            "service_bus.route.orders.entity.none.outcome.invalid_message.destination.primary\
             .requests",
            Kind::Counter,
        ),
        (
            Metric::Duration { route: "order-status" },
            "service_bus.route.order-status.duration_milliseconds",
            Kind::Histogram,
        ),
        (
            Metric::ClientsGone { route: "orders" },
            "service_bus.route.orders.clients_gone",
            Kind::Counter,
        ),
        (Metric::InFlight, "service_bus.in_flight", Kind::Gauge),
        (Metric::BufferedBytes, "service_bus.buffered_bytes", Kind::Gauge),
        (
            Metric::Namespace(namespace, NamespaceMetric::Callouts),
            "service_bus.namespace.contoso_servicebus_windows_net.callouts",
            Kind::Counter,
        ),
    ] {
        assert_eq!((metric.name().as_str(), metric.kind()), (name, kind));
    }
}

#[test]
fn each_number_of_a_namespace_has_a_name_of_its_own() {
    let names: BTreeSet<_> = NamespaceMetric::ALL.iter().map(|metric| metric.as_str()).collect();
    assert_eq!(names.len(), NamespaceMetric::ALL.len());
    let gauges: Vec<_> = NamespaceMetric::ALL
        .iter()
        .filter(|metric| metric.kind() == Kind::Gauge)
        .map(|metric| metric.as_str())
        .collect();
    assert_eq!(
        gauges,
        ["breaker_open", "secondary_key", "clock_behind_seconds", "token_expires_at_seconds"]
    );
}

#[test]
fn outcomes_have_the_words_that_clients_are_told() {
    assert_eq!(Outcome::Accepted.as_str(), "accepted");
    assert_eq!(Outcome::Found(Found::default()).as_str(), "found");
    for reason in Reason::ALL {
        assert_eq!(Outcome::Failed(Failure::new(reason, "x")).as_str(), reason.as_str());
    }
}

/// What the events of a worker have changed.
fn changed(worker: &Worker) -> Vec<(&'static str, u64)> {
    let changes = worker.events.iter().flat_map(changes).flatten();
    changes.map(|(metric, number)| (metric.as_str(), number)).collect()
}

fn worker(delivery: Json) -> Worker {
    Worker::new(sender(json!({"queue": "orders"}), json!({}), json!({"delivery": delivery})))
}

#[test]
fn a_message_is_one_callout_of_its_size() {
    let mut worker = worker(json!({}));
    worker.submit(1, b"12345");
    worker.dispatched();
    worker.nothing();
    assert_eq!(changed(&worker), [("callouts", 1), ("bytes_sent", 5)]);
}

#[test]
fn a_batch_is_one_callout_with_so_many_messages() {
    let mut worker = worker(json!({"batch": {"max_messages": 3, "linger": "5ms"}}));
    for stream in 1..=4 {
        worker.submit_message(stream, message(&stream.to_string(), b"{}"));
    }
    worker.dispatched();
    let (_, batch) = worker.dispatched();
    worker.nothing();
    let size = u64::try_from(batch.body.len()).unwrap();
    assert_eq!(
        changed(&worker),
        [
            ("callouts", 1),
            ("bytes_sent", 2),
            ("callouts", 1),
            ("bytes_sent", size),
            ("batch_messages", 3)
        ]
    );
}

#[test]
fn a_retry_and_the_breaker_show() {
    let mut worker = worker(json!({"retries": {"max": 1}, "circuit_breaker": {"failures": 2}}));
    worker.submit(1, b"");
    for _ in 0..2 {
        let (attempt, _) = worker.next_dispatch();
        worker.answer(attempt, answer("500"));
    }
    assert_eq!(worker.failure().reason, Reason::BrokerError);
    worker.nothing();
    let callout = [("callouts", 1), ("bytes_sent", 0)];
    let expected = [
        callout.as_slice(),
        &[("retries", 1)],
        &callout,
        &[("breaker_opened", 1), ("breaker_open", 1)],
    ];
    assert_eq!(changed(&worker), expected.concat());

    worker.events.clear();
    worker.pass(Duration::from_secs(31));
    worker.submit(2, b"");
    let (attempt, _) = worker.next_dispatch();
    worker.answer(attempt, answer("201"));
    assert_eq!(worker.settled(), (2, None));
    worker.nothing();
    assert_eq!(changed(&worker), [callout.as_slice(), &[("breaker_open", 0)]].concat());
}

#[test]
fn a_second_destination_is_told_of_by_its_namespace() {
    let north = json!({"namespace": "north.servicebus.windows.net", "cluster": "north"});
    let route = json!({
        "name": "orders", "match": {"path": "/orders"}, "send": {"queue": "orders"},
        "fallback": north
    });
    let rest = json!({"routes": [route], "delivery": {"retries": {"max": 0}}});
    let mut worker = Worker::new(sender(json!({}), json!({}), rest));
    worker.submit(1, b"");
    let (attempt, _) = worker.dispatched();
    worker.answer(attempt, answer("429"));
    worker.dispatched();
    let fell = worker.events.iter().find(|event| matches!(event, Event::FellBack { .. })).unwrap();
    assert_eq!(fell.namespace().as_str(), "north.servicebus.windows.net");
    assert_eq!(changes(fell)[0].unwrap().0.as_str(), "fallbacks");
}

#[test]
fn tokens_show() {
    let mut worker = worker(json!({}));
    worker.submit(1, b"");
    worker.dispatched();
    let namespace = worker.events[0].namespace().clone();
    let of = |event| {
        let event = Event::Credentials { namespace: namespace.clone(), event };
        let changes = changes(&event).into_iter().flatten();
        changes.map(|(metric, number)| (metric.as_str(), number)).collect::<Vec<_>>()
    };
    let expires_at = Duration::from_secs(7);
    assert_eq!(of(CredentialEvent::Adopted { expires_at }), [("token_expires_at_seconds", 7)]);
    assert_eq!(of(CredentialEvent::Refreshed), [("tokens_refused", 1)]);
    assert_eq!(
        of(CredentialEvent::KeySwitched { to: KeyRole::Secondary }),
        [("key_switches", 1), ("secondary_key", 1)]
    );
    assert_eq!(
        of(CredentialEvent::KeySwitched { to: KeyRole::Primary }),
        [("key_switches", 1), ("secondary_key", 0)]
    );
    assert_eq!(
        of(CredentialEvent::ClockBehind { by: Duration::from_secs(90) }),
        [("clock_behind_seconds", 90)]
    );
    assert_eq!(
        of(CredentialEvent::Fetched { expires_at: Duration::from_secs(7) }),
        [("tokens_fetched", 1), ("token_expires_at_seconds", 7)]
    );
    assert_eq!(of(CredentialEvent::FetchFailed { cause: "x".to_owned() }), [("token_failures", 1)]);
}
