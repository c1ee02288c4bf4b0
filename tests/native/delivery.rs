//! One worker's sending: callouts, outcomes, bounds.

use std::rc::Rc;
use std::time::Duration;

use crate::common::delivery::{Worker, answer, message, timed_out};
use crate::common::{NOW, START, plain_sender, sender};
use envoy_service_bus::delivery::Sender;
use envoy_service_bus::delivery::{Effect, LookupRequest, StreamId};
use envoy_service_bus::http::{DispatchError, Response};
use envoy_service_bus::message::Property;
use envoy_service_bus::outcome::{Outcome, Reason};
use serde_json::{Value as Json, json};

/// A sender that tries once.
fn once(delivery: Json) -> Rc<Sender> {
    let mut config = json!({"retries": {"max": 0}, "circuit_breaker": {"failures": 0}});
    for (key, value) in delivery.as_object().unwrap() {
        config[key] = value.clone();
    }
    sender(json!({"queue": "eu/orders"}), json!({}), json!({"delivery": config}))
}

#[test]
fn a_callout_is_what_service_bus_expects() {
    let mut worker = Worker::new(once(json!({})));
    worker.submit(1, b"{}");
    let (_, callout) = worker.dispatched();
    assert_eq!(&*callout.cluster, "servicebus");
    assert_eq!(callout.timeout, Duration::from_secs(5));
    assert_eq!(*callout.body, b"{}");
    let names: Vec<_> = callout.headers().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [":method", ":path", ":authority", ":scheme", "authorization", "brokerproperties"]
    );
    let value = |name| callout.header(name);
    assert_eq!(value(":method"), Some("POST"));
    assert_eq!(value(":path"), Some("/eu/orders/messages"));
    assert_eq!(value(":authority"), Some("contoso.servicebus.windows.net"));
    assert_eq!(value("brokerproperties"), Some("{\"MessageId\":\"1\"}"));
    let token = value("authorization").unwrap();
    assert!(token.starts_with(
        "SharedAccessSignature sr=https%3A%2F%2Fcontoso.servicebus.windows.net%2Feu%2Forders&sig="
    ));
    assert!(token.ends_with("&se=1795222800&skn=send-only"), "{token}");
}

#[test]
fn an_empty_message_says_its_length() {
    let mut worker = Worker::new(plain_sender());
    worker.submit(1, b"");
    let (_, callout) = worker.dispatched();
    assert_eq!(callout.header("content-length"), Some("0"));
}

#[test]
fn what_envoy_signs_is_not_signed_here() {
    let rest = json!({"credentials": {"upstream": {}}});
    let mut worker = Worker::new(sender(json!({"queue": "a"}), json!({}), rest));
    worker.submit(1, b"{}");
    let (_, callout) = worker.dispatched();
    assert_eq!(callout.header("authorization"), None);
}

#[test]
fn each_stream_hears_its_own_outcome() {
    let mut worker = Worker::new(once(json!({})));
    worker.submit(1, b"1");
    let (first, _) = worker.dispatched();
    worker.submit(2, b"2");
    let (second, _) = worker.dispatched();
    assert_eq!(worker.delivery.in_flight(), 2);
    worker.answer(second, answer("201"));
    assert_eq!(worker.settled(), (2, None));
    worker.answer(first, answer("404"));
    assert_eq!(worker.settled(), (1, Some(Reason::EntityNotFound)));
    worker.nothing();
    assert_eq!(worker.delivery.in_flight(), 0);
    assert!(worker.delivery.is_quiet());
}

#[test]
fn an_attempt_ends_once() {
    let mut worker = Worker::new(once(json!({})));
    worker.submit(1, b"1");
    let (attempt, _) = worker.dispatched();
    worker.answer(attempt, answer("500"));
    assert_eq!(worker.settled(), (1, Some(Reason::BrokerError)));
    worker.answer(attempt, answer("201"));
    worker.refuse(attempt, DispatchError::Unavailable);
    worker.nothing();
}

#[test]
fn who_is_refused_while_others_are_on_their_way_there_is_one_too_many() {
    let fabrikam = json!({
        "name": "other", "match": {"path": "/other"}, "send": {"queue": "other"},
        "namespace": "fabrikam.servicebus.windows.net", "cluster": "fabrikam",
        "credentials": {"upstream": {}}
    });
    let orders = json!({"name": "orders", "match": {"path": "/o"}, "send": {"queue": "orders"}});
    let mut worker = Worker::new(sender(
        json!({}),
        json!({}),
        json!({"routes": [orders, fabrikam], "delivery": {"retries": {"max": 0}}}),
    ));
    let refuse = |worker: &mut Worker, attempt| {
        worker.refuse(attempt, DispatchError::Unavailable);
        worker.settled().1
    };
    worker.submit(1, b"1");
    let (first, _) = worker.dispatched();
    // Two at once: what comes later is no reason for what came before.
    worker.submit_on(1, 2, message("2", b"2"));
    worker.submit_on(1, 3, message("3", b"3"));
    let (second, _) = worker.dispatched();
    worker.refuse(second, DispatchError::Unavailable);
    let (third, _) = worker.dispatched();
    assert_eq!(worker.settled(), (2, Some(Reason::BrokerUnreachable)));
    worker.submit(4, b"4");
    let (fourth, _) = worker.dispatched();
    assert_eq!(refuse(&mut worker, fourth), Some(Reason::Overloaded));
    worker.answer(third, answer("201"));
    worker.settled();
    worker.answer(first, answer("201"));
    worker.settled();
    worker.submit(5, b"5");
    let (fifth, _) = worker.dispatched();
    assert_eq!(refuse(&mut worker, fifth), Some(Reason::BrokerUnreachable));
}

#[test]
fn a_callout_that_never_started_sent_nothing() {
    let table = [
        (DispatchError::UnknownCluster, Reason::Misconfigured),
        (DispatchError::Unavailable, Reason::BrokerUnreachable),
    ];
    for (error, reason) in table {
        let mut worker = Worker::new(once(json!({})));
        worker.submit(1, b"1");
        let (attempt, _) = worker.dispatched();
        worker.refuse(attempt, error);
        let (_, settlement) = worker.settlement();
        assert_eq!(settlement.attempts, 0);
        let Outcome::Failed(failure) = settlement.outcome else { panic!("no failure") };
        assert_eq!(failure.reason, reason);
        assert!(worker.delivery.is_quiet());
    }
}

#[test]
fn no_more_messages_than_the_limit_are_in_flight() {
    let mut worker = Worker::new(once(json!({"max_in_flight": 2})));
    worker.submit(1, b"1");
    let (attempt, _) = worker.dispatched();
    worker.submit(2, b"2");
    worker.dispatched();
    worker.submit(3, b"3");
    let failure = worker.failure();
    assert_eq!(failure.reason, Reason::Overloaded);
    assert_eq!(failure.cause, "2 messages are in flight");
    // The client of the first may have left; its message counts until it ends.
    worker.answer(attempt, answer("201"));
    assert_eq!(worker.settled(), (1, None));
    worker.submit(4, b"4");
    worker.dispatched();
}

#[test]
fn no_more_bytes_than_the_limit_are_in_flight() {
    let mut worker = Worker::new(once(json!({"max_buffered_bytes": 1000})));
    worker.submit(1, &[b'a'; 900]);
    let (attempt, _) = worker.dispatched();
    let held = worker.delivery.buffered_bytes();
    assert!((900..1000).contains(&held), "{held}");
    worker.submit(2, &[b'a'; 100]);
    let failure = worker.failure();
    assert_eq!(failure.reason, Reason::Overloaded);
    assert_eq!(failure.cause, format!("requests and messages of {held} bytes are held"));
    worker.answer(attempt, answer("201"));
    assert_eq!(worker.settled(), (1, None));
    assert_eq!(worker.delivery.buffered_bytes(), 0);
    worker.submit(3, &[b'a'; 900]);
    worker.dispatched();
}

#[test]
fn a_question_for_a_token_that_envoy_forgets_is_asked_again_without_hurry() {
    let credentials = json!({"managed_identity": {"cluster": "imds", "source": "imds"}});
    let sender = sender(json!({"queue": "a"}), json!({}), json!({"credentials": credentials}));
    let mut worker = Worker::new(sender);
    worker.pass(Duration::ZERO);
    assert_eq!(&*worker.dispatched().1.cluster, "imds");
    let mut ticks = 0;
    let callout = loop {
        match worker.effect() {
            Some(Effect::Dispatch(_, callout, _)) => break callout,
            _ => worker.pass_to_wake(),
        };
        ticks += 1;
        assert!(ticks < 10);
    };
    assert_eq!(&*callout.cluster, "imds");
    assert!(worker.now.wall < NOW + Duration::from_secs(15));
}

#[test]
fn what_is_held_twice_counts_twice() {
    let mut worker = Worker::new(once(json!({"max_buffered_bytes": 10_000})));
    let mut exact = message("1", &[b'"'; 900]);
    // In no header, so that the body stands in an array.
    exact.properties.push(Property::text("stadt", "Zürich"));
    worker.submit_message(1, exact);
    let (attempt, callout) = worker.dispatched();
    let held = worker.delivery.buffered_bytes();
    assert!(callout.body.len() > 1800 && held >= 900 + callout.body.len(), "{held}");
    worker.answer(attempt, answer("201"));
    worker.settled();
    assert_eq!(worker.delivery.buffered_bytes(), 0);
}

#[test]
fn a_refused_token_is_not_used_again() {
    let token = |worker: &mut Worker, stream| {
        worker.submit(stream, b"1");
        let (attempt, callout) = worker.dispatched();
        (attempt, callout.authorization.unwrap())
    };
    let mut worker = Worker::new(once(json!({})));
    let (first, signed) = token(&mut worker, 1);
    worker.now = START + Duration::from_secs(5);
    let (_, again) = token(&mut worker, 2);
    assert_eq!(signed, again);
    worker.answer(first, answer("401"));
    let (second, callout) = worker.dispatched();
    assert_ne!(callout.authorization.unwrap(), signed);
    worker.answer(second, answer("401"));
    assert_eq!(worker.settled(), (1, Some(Reason::BrokerUnauthorized)));
}

#[test]
fn a_callout_that_envoy_forgets_is_given_up() {
    let mut worker = Worker::new(once(json!({})));
    worker.submit(1, b"1");
    let (attempt, _) = worker.dispatched();
    let mut waited = Duration::ZERO;
    while worker.delivery.in_flight() > 0 {
        waited += worker.pass_to_wake();
    }
    assert!(waited >= Duration::from_secs(7), "{waited:?}");
    assert_eq!(worker.settled(), (1, Some(Reason::OutcomeUnknown)));
    worker.answer(attempt, answer("201"));
    worker.nothing();
    assert!(worker.delivery.is_quiet());
    assert_eq!(worker.delivery.wake(), None);
}

#[test]
fn a_wall_clock_that_is_set_ends_no_wait_and_makes_none_longer() {
    for hours in [-1, 1] {
        let mut worker = Worker::new(sender(
            json!({"queue": "a"}),
            json!({}),
            json!({"delivery": {"retries": {"max": 1}}}),
        ));
        worker.submit(1, b"1");
        let (attempt, _) = worker.dispatched();
        worker.set_clock(hours);
        worker.pass(Duration::ZERO);
        worker.nothing();
        worker.answer(attempt, timed_out());
        worker.nothing();
        worker.set_clock(-hours);
        assert!(worker.pass_to_wake() <= Duration::from_millis(200));
        worker.dispatched();
    }
}

#[test]
fn a_lookup_has_its_own_outcomes() {
    let inquiry = || LookupRequest {
        cluster: "store".into(),
        authority: "store:80".into(),
        path: "/a".to_owned(),
        timeout: Duration::from_secs(2),
    };
    let envoys =
        |status| Response { headers: [(":status", status)].into_iter().collect(), body: vec![] };
    let table = [
        (answer("200"), None),
        (answer("404"), Some(Reason::NotFound)),
        (answer("204"), Some(Reason::LookupUnavailable)),
        (answer("201"), Some(Reason::LookupUnavailable)),
        (answer("500"), Some(Reason::LookupUnavailable)),
        (envoys("200"), Some(Reason::LookupUnavailable)),
        (envoys("404"), Some(Reason::LookupUnavailable)),
        (envoys("503"), Some(Reason::LookupUnavailable)),
        (Response::default(), Some(Reason::LookupUnavailable)),
    ];
    for (answer, reason) in table {
        let mut worker = Worker::new(plain_sender());
        worker.delivery.look_up(StreamId(1), inquiry(), START);
        let (attempt, callout) = worker.dispatched();
        assert_eq!((&*callout.cluster, callout.timeout.as_secs()), ("store", 2));
        worker.answer(attempt, answer.clone());
        assert_eq!(worker.settled(), (1, reason), "{answer:?}");
        assert!(worker.delivery.is_quiet());
    }
    let mut worker = Worker::new(plain_sender());
    worker.delivery.look_up(StreamId(1), inquiry(), START);
    let (attempt, _) = worker.dispatched();
    worker.refuse(attempt, DispatchError::Unavailable);
    assert_eq!(worker.settled(), (1, Some(Reason::LookupUnavailable)));
}
