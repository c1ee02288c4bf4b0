//! One worker's sending, from submission to outcome.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail by panic"
)]

mod common;

use std::rc::Rc;
use std::time::Duration;

use common::{NOW, plain_sender, sender};
use envoy_service_bus::config::{Action, Destination, Entity, Sender};
use envoy_service_bus::delivery::{
    Answer, AttemptId, Callout, Delivery, DispatchError, Effect, Inquiry, StreamId, Submission,
};
use envoy_service_bus::message::{Form, Packed};
use envoy_service_bus::reply::{Outcome, Reason};
use serde_json::json;

/// A delivery with the destination of its sender's first route.
struct Worker {
    delivery: Delivery,
    destination: Rc<Destination>,
}

impl Worker {
    fn new(sender: Rc<Sender>) -> Self {
        let Action::Send(_, destination) = &sender.routes[0].action else { panic!("a lookup") };
        let destination = Rc::clone(destination);
        Self { delivery: Delivery::new(sender), destination }
    }

    fn submit(&mut self, stream: u32, body: &[u8], now: Duration) {
        let headers = vec![("brokerproperties".to_owned(), "{\"MessageId\":\"1\"}".to_owned())];
        let submission = Submission {
            destination: Rc::clone(&self.destination),
            entity: Entity::new("eu/orders").unwrap(),
            packed: Packed { form: Form::Single, headers, body: body.to_vec() },
        };
        self.delivery.submit(StreamId(stream), submission, now);
    }
}

fn dispatched(worker: &mut Worker) -> (AttemptId, Callout) {
    match worker.delivery.poll() {
        Some(Effect::Dispatch(attempt, callout)) => (attempt, callout),
        other => panic!("no dispatch: {other:?}"),
    }
}

fn settled(worker: &mut Worker) -> (StreamId, Option<Reason>) {
    let (stream, outcome) = match worker.delivery.poll() {
        Some(Effect::Settle(stream, outcome)) => (stream, outcome),
        other => panic!("no outcome: {other:?}"),
    };
    assert_eq!(worker.delivery.poll(), None);
    match outcome {
        Outcome::Accepted | Outcome::Found(_) => (stream, None),
        Outcome::Failed(failure) => (stream, Some(failure.reason)),
    }
}

fn answer(status: &str) -> Answer {
    let headers = [(":status", status), ("x-envoy-upstream-service-time", "1")];
    Answer { headers: headers.into_iter().collect(), body: vec![] }
}

#[test]
fn a_callout_is_what_service_bus_expects() {
    let mut worker = Worker::new(plain_sender());
    worker.submit(1, b"{}", NOW);
    let (_, callout) = dispatched(&mut worker);
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
    let mut worker = Worker::new(plain_sender());
    worker.submit(1, b"", NOW);
    let (_, callout) = dispatched(&mut worker);
    assert!(callout.headers.contains(&("content-length".to_owned(), "0".to_owned())));
}

#[test]
fn what_envoy_signs_is_not_signed_here() {
    let rest = json!({"credentials": {"upstream": {}}});
    let mut worker = Worker::new(sender(json!({"queue": "a"}), json!({}), rest));
    worker.submit(1, b"{}", NOW);
    let (_, callout) = dispatched(&mut worker);
    assert!(!callout.headers.iter().any(|(name, _)| name == "authorization"));
}

#[test]
fn each_stream_hears_its_own_outcome() {
    let mut worker = Worker::new(plain_sender());
    worker.submit(1, b"1", NOW);
    let (first, _) = dispatched(&mut worker);
    worker.submit(2, b"2", NOW);
    let (second, _) = dispatched(&mut worker);
    assert_eq!(worker.delivery.in_flight(), 2);
    worker.delivery.answered(second, answer("201"));
    assert_eq!(settled(&mut worker), (StreamId(2), None));
    worker.delivery.answered(first, answer("404"));
    assert_eq!(settled(&mut worker), (StreamId(1), Some(Reason::EntityNotFound)));
    assert_eq!(worker.delivery.in_flight(), 0);
}

#[test]
fn an_attempt_ends_once() {
    let mut worker = Worker::new(plain_sender());
    worker.submit(1, b"1", NOW);
    let (attempt, _) = dispatched(&mut worker);
    worker.delivery.answered(attempt, answer("500"));
    assert_eq!(settled(&mut worker), (StreamId(1), Some(Reason::BrokerError)));
    worker.delivery.answered(attempt, answer("201"));
    worker.delivery.refused(attempt, DispatchError::Unavailable);
    assert_eq!(worker.delivery.poll(), None);
}

#[test]
fn a_callout_that_never_started_sent_nothing() {
    let table = [
        (DispatchError::UnknownCluster, Reason::Misconfigured),
        (DispatchError::Unavailable, Reason::BrokerUnreachable),
    ];
    for (error, reason) in table {
        let mut worker = Worker::new(plain_sender());
        worker.submit(1, b"1", NOW);
        let (attempt, _) = dispatched(&mut worker);
        worker.delivery.refused(attempt, error);
        assert_eq!(settled(&mut worker), (StreamId(1), Some(reason)));
        assert_eq!(worker.delivery.in_flight(), 0);
    }
}

#[test]
fn no_more_than_the_limit_are_in_flight() {
    let rest = json!({"delivery": {"max_in_flight": 2}});
    let mut worker = Worker::new(sender(json!({"queue": "a"}), json!({}), rest));
    worker.submit(1, b"1", NOW);
    let (attempt, _) = dispatched(&mut worker);
    worker.submit(2, b"2", NOW);
    dispatched(&mut worker);
    worker.submit(3, b"3", NOW);
    assert_eq!(settled(&mut worker), (StreamId(3), Some(Reason::Overloaded)));
    // The client of the first may have left; its callout counts until it ends.
    worker.delivery.answered(attempt, answer("201"));
    assert_eq!(settled(&mut worker), (StreamId(1), None));
    worker.submit(4, b"4", NOW);
    dispatched(&mut worker);
}

#[test]
fn a_refused_token_is_not_used_again() {
    let token = |worker: &mut Worker, stream, seconds| {
        worker.submit(stream, b"1", NOW + Duration::from_secs(seconds));
        let (attempt, callout) = dispatched(worker);
        let value = callout.headers.into_iter().find(|(name, _)| name == "authorization");
        (attempt, value.unwrap().1)
    };
    let mut worker = Worker::new(plain_sender());
    let (first, signed) = token(&mut worker, 1, 0);
    let (_, again) = token(&mut worker, 2, 60);
    assert_eq!(signed, again);
    worker.delivery.answered(first, answer("401"));
    assert_eq!(settled(&mut worker), (StreamId(1), Some(Reason::BrokerUnauthorized)));
    let (_, anew) = token(&mut worker, 3, 61);
    assert_ne!(signed, anew);
}

#[test]
fn a_lookup_has_its_own_outcomes() {
    let inquiry = || Inquiry {
        cluster: "store".to_owned(),
        authority: "store:80".to_owned(),
        path: "/a".to_owned(),
        timeout: Duration::from_secs(2),
    };
    let upstream = |status: &str| answer(status);
    let envoys =
        |status| Answer { headers: [(":status", status)].into_iter().collect(), body: vec![] };
    let table = [
        (upstream("200"), None),
        (upstream("404"), Some(Reason::NotFound)),
        (upstream("204"), Some(Reason::LookupUnavailable)),
        (upstream("201"), Some(Reason::LookupUnavailable)),
        (upstream("500"), Some(Reason::LookupUnavailable)),
        (envoys("200"), Some(Reason::LookupUnavailable)),
        (envoys("404"), Some(Reason::LookupUnavailable)),
        (envoys("503"), Some(Reason::LookupUnavailable)),
        (Answer::default(), Some(Reason::LookupUnavailable)),
    ];
    for (answer, reason) in table {
        let mut worker = Worker::new(plain_sender());
        worker.delivery.inquire(StreamId(1), inquiry());
        let (attempt, callout) = dispatched(&mut worker);
        assert_eq!((callout.cluster.as_str(), callout.timeout.as_secs()), ("store", 2));
        worker.delivery.answered(attempt, answer.clone());
        assert_eq!(settled(&mut worker), (StreamId(1), reason), "{answer:?}");
    }
    let mut worker = Worker::new(plain_sender());
    worker.delivery.inquire(StreamId(1), inquiry());
    let (attempt, _) = dispatched(&mut worker);
    worker.delivery.refused(attempt, DispatchError::Unavailable);
    assert_eq!(settled(&mut worker), (StreamId(1), Some(Reason::LookupUnavailable)));
}
