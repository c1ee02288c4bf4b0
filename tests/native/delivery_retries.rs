//! What is sent again, when, and what a client is told of more than one send.

use std::rc::Rc;
use std::time::Duration;

use crate::common::delivery::{Worker, answer, answer_saying, not_connected, timed_out};
use crate::common::sender;
use envoy_service_bus::delivery::Effect;
use envoy_service_bus::delivery::Sender;
use envoy_service_bus::http::{DispatchError, Response};
use envoy_service_bus::outcome::{Outcome, Reason};
use serde_json::{Value as Json, json};

const THROTTLED: &str = "The request was terminated because the entity is being throttled. Error \
                         code: 50009. Please wait 2 seconds and try again.";

/// A sender without circuit breaker.
fn retrying(retries: Json) -> Rc<Sender> {
    let delivery = json!({"retries": retries, "circuit_breaker": {"failures": 0}});
    sender(json!({"queue": "orders"}), json!({}), json!({"delivery": delivery}))
}

/// Answers each send of one message the same way, and says how often it was sent and what its
/// client was told.
fn sends(answer: &Response) -> (u32, Option<Reason>) {
    let mut worker = Worker::new(retrying(json!({})));
    worker.submit(1, b"{}");
    let mut sends = 0;
    let settlement = loop {
        match worker.next() {
            Effect::Dispatch(attempt, ..) => {
                sends += 1;
                worker.answer(attempt, answer.clone());
            }
            Effect::Finish(_, settlement) => break settlement,
            Effect::Forget(_) | Effect::Tell(_) => {}
        }
    };
    assert_eq!(settlement.attempts, sends);
    assert!(worker.delivery.is_quiet());
    match settlement.outcome {
        Outcome::Failed(failure) => (sends, Some(failure.reason)),
        _ => (sends, None),
    }
}

#[test]
fn what_may_pass_is_sent_again_and_nothing_else() {
    let table = [
        (answer("201"), 1, None),
        (answer("400"), 1, Some(Reason::MessageRejected)),
        (answer("401"), 2, Some(Reason::BrokerUnauthorized)),
        (answer("403"), 1, Some(Reason::BrokerForbidden)),
        (answer("404"), 1, Some(Reason::EntityNotFound)),
        (answer("410"), 1, Some(Reason::EntityNotFound)),
        (answer("413"), 1, Some(Reason::PayloadTooLarge)),
        (answer("431"), 1, Some(Reason::MessageRejected)),
        (answer("200"), 1, Some(Reason::BrokerError)),
        (answer("307"), 1, Some(Reason::BrokerError)),
        (answer("408"), 4, Some(Reason::OutcomeUnknown)),
        (answer("429"), 4, Some(Reason::Throttled)),
        (answer("500"), 4, Some(Reason::BrokerError)),
        (answer("502"), 4, Some(Reason::BrokerError)),
        (answer("503"), 4, Some(Reason::Throttled)),
        (not_connected(), 4, Some(Reason::BrokerUnreachable)),
        (timed_out(), 4, Some(Reason::OutcomeUnknown)),
        (Response::default(), 4, Some(Reason::OutcomeUnknown)),
    ];
    for (answer, expected, reason) in table {
        assert_eq!(sends(&answer), (expected, reason), "{answer:?}");
    }
}

#[test]
fn each_send_of_a_message_is_the_same() {
    let mut worker = Worker::new(retrying(json!({})));
    worker.submit(1, b"{}");
    let (attempt, first) = worker.dispatched();
    worker.answer(attempt, answer("500"));
    worker.nothing();
    let (_, second) = worker.next_dispatch();
    assert!(first.headers().eq(second.headers()));
    assert_eq!(first.body, second.body);
}

#[test]
fn the_brokers_wish_is_heeded() {
    let mut wish = answer("429");
    let headers =
        [(":status", "429"), ("x-envoy-upstream-service-time", "1"), ("retry-after", "3")];
    wish.headers = headers.into_iter().collect();
    for (answer, seconds) in [(wish, 3), (answer_saying("503", THROTTLED), 2)] {
        let mut worker = Worker::new(retrying(json!({})));
        worker.submit(1, b"{}");
        let (attempt, _) = worker.dispatched();
        worker.answer(attempt, answer);
        worker.nothing();
        let before = worker.now.monotonic;
        worker.next_dispatch();
        assert_eq!(worker.now.monotonic - before, Duration::from_secs(seconds));
    }
}

#[test]
fn nothing_is_sent_again_after_the_client_has_its_answer() {
    let mut worker = Worker::new(retrying(json!({"max": 100})));
    worker.submit(1, b"{}");
    let start = worker.now.monotonic;
    while worker.delivery.in_flight() > 0 {
        let (attempt, callout) = worker.next_dispatch();
        let left = Duration::from_secs(10) - (worker.now.monotonic - start);
        assert!(callout.timeout <= left && !callout.timeout.is_zero());
        worker.now += callout.timeout;
        worker.answer(attempt, timed_out());
    }
    assert_eq!(worker.settled(), (1, Some(Reason::OutcomeUnknown)));
    assert!(worker.now.monotonic - start <= Duration::from_secs(10));
    // Nor when the broker wishes for more patience than the client has.
    let mut worker = Worker::new(retrying(json!({})));
    worker.submit(1, b"{}");
    let (attempt, _) = worker.dispatched();
    let detail = "50009: Please wait 20 seconds and try again.";
    worker.answer(attempt, answer_saying("503", detail));
    let failure = worker.failure();
    assert_eq!((failure.reason, failure.retry_after), (Reason::Throttled, Some(20)));
}

#[test]
fn only_a_share_of_the_callouts_is_repeated() {
    for (budget, messages, repeated) in [(20, 100, 20), (20, 5, 3), (0, 100, 0), (100, 10, 10)] {
        let mut worker = Worker::new(retrying(json!({"budget_percent": budget})));
        let mut attempts = vec![];
        for stream in 0..messages {
            worker.submit(stream, b"{}");
            attempts.push(worker.dispatched().0);
        }
        let mut kept = 0;
        for attempt in attempts {
            worker.answer(attempt, answer("503"));
            match worker.effect() {
                None => kept += 1,
                Some(Effect::Finish(..)) => {}
                other => panic!("{other:?}"),
            }
        }
        // Those that fail make the rest fewer, so that the share may be less.
        assert!(kept <= repeated && kept >= repeated.min(3), "{budget} {messages}: {kept}");
        while worker.delivery.in_flight() > 0 {
            if let Effect::Dispatch(attempt, ..) = worker.next() {
                worker.answer(attempt, answer("201"));
            }
        }
        assert!(worker.delivery.is_quiet());
    }
}

/// What a client is told after these answers, in this order.
fn told(answers: &[Response]) -> Reason {
    let mut worker = Worker::new(retrying(json!({})));
    worker.submit(1, b"{}");
    for answer in answers {
        let (attempt, _) = worker.next_dispatch();
        worker.answer(attempt, answer.clone());
    }
    worker.failure().reason
}

#[test]
fn what_may_be_stored_is_never_said_to_be_lost() {
    assert_eq!(told(&[timed_out(), answer("400")]), Reason::OutcomeUnknown);
    assert_eq!(told(&[answer("500"), answer("404")]), Reason::OutcomeUnknown);
    assert_eq!(told(&[Response::default(), answer("503"), answer("410")]), Reason::OutcomeUnknown);
    assert_eq!(told(&[timed_out(), answer("500"), answer("200")]), Reason::BrokerError);
    assert_eq!(told(&[answer("503"), answer("400")]), Reason::MessageRejected);
    assert_eq!(told(&[not_connected(), answer("404")]), Reason::EntityNotFound);
    let rest = [timed_out(), not_connected(), not_connected(), not_connected()];
    assert_eq!(told(&rest), Reason::OutcomeUnknown);
}

#[test]
fn a_cluster_that_is_not_there_is_not_tried_again() {
    let mut worker = Worker::new(retrying(json!({})));
    worker.submit(1, b"{}");
    let (attempt, _) = worker.dispatched();
    worker.refuse(attempt, DispatchError::UnknownCluster);
    assert_eq!(worker.settled(), (1, Some(Reason::Misconfigured)));
    worker.submit(2, b"{}");
    for _ in 0..4 {
        let (attempt, _) = worker.next_dispatch();
        worker.refuse(attempt, DispatchError::Unavailable);
    }
    assert_eq!(worker.settled(), (2, Some(Reason::BrokerUnreachable)));
}
