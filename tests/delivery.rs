//! One worker's sending, from submission to outcome.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail by panic"
)]

mod common;

use common::{NOW, plain_sender, sender};
use envoy_service_bus::config::Entity;
use envoy_service_bus::delivery::{
    Answer, AttemptId, Callout, Delivery, DispatchError, Effect, StreamId, Submission,
};
use envoy_service_bus::message::{Form, Packed};
use envoy_service_bus::reply::{Outcome, Reason};
use serde_json::json;
use std::time::Duration;

fn submission(body: &[u8]) -> Submission {
    Submission {
        entity: Entity::new("eu/orders").unwrap(),
        packed: Packed {
            form: Form::Single,
            headers: vec![("brokerproperties".to_owned(), "{\"MessageId\":\"1\"}".to_owned())],
            body: body.to_vec(),
        },
    }
}

fn dispatched(delivery: &mut Delivery) -> (AttemptId, Callout) {
    match delivery.poll() {
        Some(Effect::Dispatch(attempt, callout)) => (attempt, callout),
        other => panic!("no dispatch: {other:?}"),
    }
}

fn settled(delivery: &mut Delivery) -> (StreamId, Option<Reason>) {
    let (stream, outcome) = match delivery.poll() {
        Some(Effect::Settle(stream, outcome)) => (stream, outcome),
        other => panic!("no outcome: {other:?}"),
    };
    assert_eq!(delivery.poll(), None);
    match outcome {
        Outcome::Accepted => (stream, None),
        Outcome::Failed(failure) => (stream, Some(failure.reason)),
    }
}

fn answer(status: &str) -> Answer {
    let headers = [(":status", status), ("x-envoy-upstream-service-time", "1")];
    Answer { headers: headers.into_iter().collect(), body: vec![] }
}

#[test]
fn a_callout_is_what_service_bus_expects() {
    let mut delivery = Delivery::new(plain_sender());
    delivery.submit(StreamId(1), submission(b"{}"), NOW);
    let (_, callout) = dispatched(&mut delivery);
    assert_eq!(callout.cluster, "servicebus");
    assert_eq!(callout.timeout, Duration::from_secs(5));
    assert_eq!(callout.body, b"{}");
    let names: Vec<_> = callout.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [":method", ":path", ":authority", ":scheme", "authorization", "brokerproperties"]
    );
    let value = |name| callout.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    assert_eq!(value(":method"), Some("POST"));
    assert_eq!(value(":path"), Some("/eu/orders/messages"));
    assert_eq!(value(":authority"), Some("contoso.servicebus.windows.net"));
    let token = value("authorization").unwrap();
    assert!(token.starts_with(
        "SharedAccessSignature sr=https%3A%2F%2Fcontoso.servicebus.windows.net%2Feu%2Forders&sig="
    ));
    assert!(token.ends_with("&se=1795222800&skn=send-only"), "{token}");
}

#[test]
fn an_empty_message_says_its_length() {
    let mut delivery = Delivery::new(plain_sender());
    delivery.submit(StreamId(1), submission(b""), NOW);
    let (_, callout) = dispatched(&mut delivery);
    assert!(callout.headers.contains(&("content-length".to_owned(), "0".to_owned())));
}

#[test]
fn what_envoy_signs_is_not_signed_here() {
    let rest = json!({"credentials": {"upstream": {}}});
    let mut delivery = Delivery::new(sender(json!({"queue": "a"}), json!({}), rest));
    delivery.submit(StreamId(1), submission(b"{}"), NOW);
    let (_, callout) = dispatched(&mut delivery);
    assert!(!callout.headers.iter().any(|(name, _)| name == "authorization"));
}

#[test]
fn each_stream_hears_its_own_outcome() {
    let mut delivery = Delivery::new(plain_sender());
    delivery.submit(StreamId(1), submission(b"1"), NOW);
    let (first, _) = dispatched(&mut delivery);
    delivery.submit(StreamId(2), submission(b"2"), NOW);
    let (second, _) = dispatched(&mut delivery);
    assert_eq!(delivery.in_flight(), 2);
    delivery.answered(second, &answer("201"));
    assert_eq!(settled(&mut delivery), (StreamId(2), None));
    delivery.answered(first, &answer("404"));
    assert_eq!(settled(&mut delivery), (StreamId(1), Some(Reason::EntityNotFound)));
    assert_eq!(delivery.in_flight(), 0);
}

#[test]
fn an_attempt_ends_once() {
    let mut delivery = Delivery::new(plain_sender());
    delivery.submit(StreamId(1), submission(b"1"), NOW);
    let (attempt, _) = dispatched(&mut delivery);
    delivery.answered(attempt, &answer("500"));
    assert_eq!(settled(&mut delivery), (StreamId(1), Some(Reason::BrokerError)));
    delivery.answered(attempt, &answer("201"));
    delivery.refused(attempt, DispatchError::Unavailable);
    assert_eq!(delivery.poll(), None);
}

#[test]
fn a_callout_that_never_started_sent_nothing() {
    let table = [
        (DispatchError::UnknownCluster, Reason::Misconfigured),
        (DispatchError::Unavailable, Reason::BrokerUnreachable),
    ];
    for (error, reason) in table {
        let mut delivery = Delivery::new(plain_sender());
        delivery.submit(StreamId(1), submission(b"1"), NOW);
        let (attempt, _) = dispatched(&mut delivery);
        delivery.refused(attempt, error);
        assert_eq!(settled(&mut delivery), (StreamId(1), Some(reason)));
        assert_eq!(delivery.in_flight(), 0);
    }
}

#[test]
fn no_more_than_the_limit_are_in_flight() {
    let rest = json!({"delivery": {"max_in_flight": 2}});
    let mut delivery = Delivery::new(sender(json!({"queue": "a"}), json!({}), rest));
    delivery.submit(StreamId(1), submission(b"1"), NOW);
    let (attempt, _) = dispatched(&mut delivery);
    delivery.submit(StreamId(2), submission(b"2"), NOW);
    dispatched(&mut delivery);
    delivery.submit(StreamId(3), submission(b"3"), NOW);
    assert_eq!(settled(&mut delivery), (StreamId(3), Some(Reason::Overloaded)));
    // The client of the first may have left; its callout counts until it ends.
    delivery.answered(attempt, &answer("201"));
    assert_eq!(settled(&mut delivery), (StreamId(1), None));
    delivery.submit(StreamId(4), submission(b"4"), NOW);
    dispatched(&mut delivery);
}

#[test]
fn a_refused_token_is_not_used_again() {
    let token = |delivery: &mut Delivery, stream, seconds| {
        delivery.submit(StreamId(stream), submission(b"1"), NOW + Duration::from_secs(seconds));
        let (attempt, callout) = dispatched(delivery);
        let value = callout.headers.into_iter().find(|(name, _)| name == "authorization");
        (attempt, value.unwrap().1)
    };
    let mut delivery = Delivery::new(plain_sender());
    let (first, signed) = token(&mut delivery, 1, 0);
    let (_, again) = token(&mut delivery, 2, 60);
    assert_eq!(signed, again);
    delivery.answered(first, &answer("401"));
    assert_eq!(settled(&mut delivery), (StreamId(1), Some(Reason::BrokerUnauthorized)));
    let (_, anew) = token(&mut delivery, 3, 61);
    assert_ne!(signed, anew);
}
