//! The circuit breaker, over the workers of a process.

use std::rc::Rc;
use std::time::Duration;

use crate::common::delivery::{Worker, answer, not_connected, over_limits, timed_out};
use crate::common::sender;
use crate::common::shared::Memory;
use envoy_service_bus::delivery::{AttemptId, Event};
use envoy_service_bus::http::{DispatchError, Response};
use envoy_service_bus::outcome::{Outcome, Reason};
use serde_json::json;

/// Two workers of one process that open after three failures, for thirty seconds.
fn workers() -> [Worker; 2] {
    workers_open_for("30s")
}

fn workers_open_for(time: &str) -> [Worker; 2] {
    let delivery = json!({
        "retries": {"max": 0}, "circuit_breaker": {"failures": 3, "open_for": time}
    });
    let sender = sender(json!({"queue": "orders"}), json!({}), json!({"delivery": delivery}));
    let memory = Rc::new(Memory::default());
    [(), ()].map(|()| Worker::sharing(Rc::clone(&sender), &memory))
}

fn sent(worker: &mut Worker) -> AttemptId {
    worker.submit(1, b"{}");
    worker.dispatched().0
}

fn end(worker: &mut Worker, attempt: AttemptId, answer: Response) -> Option<Reason> {
    worker.answer(attempt, answer);
    worker.settled().1
}

fn exchange(worker: &mut Worker, answer: Response) -> Option<Reason> {
    let attempt = sent(worker);
    end(worker, attempt, answer)
}

/// The seconds that a refused client is told to wait.
fn refused(worker: &mut Worker) -> u32 {
    worker.submit(1, b"{}");
    let failure = worker.failure();
    assert_eq!(failure.reason, Reason::CircuitOpen);
    failure.retry_after.unwrap()
}

fn open([one, other]: &mut [Worker; 2]) {
    exchange(one, answer("500"));
    exchange(other, timed_out());
    exchange(one, not_connected());
}

fn pass(workers: &mut [Worker; 2], time: Duration) {
    for worker in workers {
        worker.pass(time);
    }
}

#[test]
fn failures_in_a_row_open_it_for_all_workers() {
    let mut workers = workers();
    open(&mut workers);
    assert!(matches!(workers[0].events.last(), Some(Event::BreakerOpened { .. })));
    assert_eq!(refused(&mut workers[0]), 30);
    pass(&mut workers, Duration::from_millis(10_500));
    assert_eq!(refused(&mut workers[1]), 20);
}

#[test]
fn any_answer_below_500_is_a_success() {
    for status in ["201", "400", "401", "403", "404", "410", "429"] {
        let mut workers = workers();
        for _ in 0..3 {
            exchange(&mut workers[0], answer("503"));
            exchange(&mut workers[0], answer("500"));
            exchange_all(&mut workers[0], status);
        }
        sent(&mut workers[1]);
    }
}

/// One message, as often as it is sent.
fn exchange_all(worker: &mut Worker, status: &str) {
    worker.submit(1, b"{}");
    while worker.delivery.in_flight() > 0 {
        let (attempt, _) = worker.dispatched();
        worker.answer(attempt, answer(status));
    }
    worker.settled();
}

#[test]
fn one_probe_decides() {
    let probes = [("201", true), ("400", true), ("503", true), ("500", false)];
    for (probe, healthy) in probes.map(|(status, healthy)| (answer(status), healthy)) {
        let mut workers = workers();
        open(&mut workers);
        pass(&mut workers, Duration::from_secs(30));
        let attempt = sent(&mut workers[1]);
        // While it is in flight nobody else sends.
        assert_eq!(refused(&mut workers[0]), 1);
        assert_eq!(refused(&mut workers[1]), 1);
        end(&mut workers[1], attempt, probe);
        if healthy {
            assert!(matches!(workers[1].events.last(), Some(Event::BreakerClosed { .. })));
            // All failures of before are forgotten.
            exchange(&mut workers[0], answer("500"));
            exchange(&mut workers[0], answer("500"));
            sent(&mut workers[0]);
        } else {
            assert_eq!(refused(&mut workers[0]), 30);
        }
    }
}

#[test]
fn results_of_before_say_nothing_about_after() {
    // So short that no callout is given up meanwhile.
    let mut workers = workers_open_for("3s");
    let late: Vec<_> = (0..4).map(|_| sent(&mut workers[1])).collect();
    open(&mut workers);
    end(&mut workers[1], late[0], answer("201"));
    assert_eq!(refused(&mut workers[0]), 3);
    pass(&mut workers, Duration::from_secs(3));
    let probe = sent(&mut workers[0]);
    end(&mut workers[1], late[1], answer("201"));
    assert_eq!(refused(&mut workers[1]), 1);
    end(&mut workers[0], probe, answer("201"));
    for attempt in &late[2..] {
        end(&mut workers[1], *attempt, answer("500"));
    }
    exchange(&mut workers[1], answer("500"));
    sent(&mut workers[1]);
}

#[test]
fn callouts_that_envoy_forgets_open_nothing() {
    let mut workers = workers();
    for _ in 0..5 {
        sent(&mut workers[0]);
    }
    workers[0].pass(Duration::from_secs(3600));
    for _ in 0..5 {
        assert_eq!(workers[0].failure().reason, Reason::OutcomeUnknown);
    }
    sent(&mut workers[0]);
}

#[test]
fn a_probe_that_is_given_up_is_replaced_at_once() {
    let mut workers = workers();
    open(&mut workers);
    pass(&mut workers, Duration::from_secs(30));
    sent(&mut workers[0]);
    pass(&mut workers, Duration::from_secs(3600));
    assert_eq!(workers[0].failure().reason, Reason::OutcomeUnknown);
    let probe = sent(&mut workers[1]);
    end(&mut workers[1], probe, answer("201"));
    sent(&mut workers[0]);
}

#[test]
fn a_probe_that_is_lost_is_replaced() {
    let mut workers = workers();
    open(&mut workers);
    pass(&mut workers, Duration::from_secs(30));
    let lost = sent(&mut workers[0]);
    workers[1].pass(Duration::from_secs(6));
    assert_eq!(refused(&mut workers[1]), 1);
    workers[1].pass(Duration::from_secs(1));
    let probe = sent(&mut workers[1]);
    // The first comes back after all, and is of no account.
    workers[0].now += Duration::from_secs(7);
    end(&mut workers[0], lost, answer("201"));
    assert_eq!(refused(&mut workers[0]), 1);
    end(&mut workers[1], probe, answer("500"));
    assert_eq!(refused(&mut workers[1]), 30);
}

#[test]
fn a_probe_that_envoy_does_not_send_leaves_its_place_to_the_next() {
    for error in [DispatchError::UnknownCluster, DispatchError::Unavailable] {
        let mut workers = workers();
        open(&mut workers);
        pass(&mut workers, Duration::from_secs(30));
        let probe = sent(&mut workers[0]);
        workers[0].refuse(probe, error);
        workers[0].failure();
        let probe = sent(&mut workers[1]);
        end(&mut workers[1], probe, over_limits());
        let probe = sent(&mut workers[0]);
        assert_eq!(refused(&mut workers[1]), 1);
        end(&mut workers[0], probe, answer("500"));
        assert_eq!(refused(&mut workers[1]), 30);
    }
}

#[test]
fn what_envoy_does_not_send_opens_nothing() {
    let mut workers = workers();
    for _ in 0..5 {
        let attempt = sent(&mut workers[0]);
        workers[0].refuse(attempt, DispatchError::UnknownCluster);
        assert_eq!(workers[0].failure().reason, Reason::Misconfigured);
        let attempt = sent(&mut workers[0]);
        workers[0].refuse(attempt, DispatchError::Unavailable);
        assert_eq!(workers[0].failure().reason, Reason::BrokerUnreachable);
        assert_eq!(exchange(&mut workers[0], over_limits()), Some(Reason::Overloaded));
    }
    assert_eq!(exchange(&mut workers[1], answer("201")), None);
}

#[test]
fn of_two_workers_that_look_at_once_one_probes() {
    let mut workers = workers();
    open(&mut workers);
    pass(&mut workers, Duration::from_secs(31));
    sent(&mut workers[0]);
    // The other has read the clock a moment before.
    workers[1].now.monotonic -= Duration::from_millis(10);
    assert_eq!(refused(&mut workers[1]), 1);
}

#[test]
fn a_wall_clock_that_is_set_neither_ends_the_wait_nor_makes_it_longer() {
    for hours in [-1, 1] {
        let mut workers = workers();
        open(&mut workers);
        workers[1].set_clock(hours);
        assert_eq!(refused(&mut workers[1]), 30);
        pass(&mut workers, Duration::from_secs(30));
        sent(&mut workers[1]);
    }
}

#[test]
fn who_waits_for_another_try_is_told_of_its_own_failure() {
    let delivery = json!({"circuit_breaker": {"failures": 2}});
    let sender = sender(json!({"queue": "orders"}), json!({}), json!({"delivery": delivery}));
    let mut worker = Worker::new(sender);
    for stream in [1, 2] {
        worker.submit(stream, b"{}");
    }
    let attempts = [worker.dispatched().0, worker.dispatched().0];
    worker.answer(attempts[0], not_connected());
    worker.answer(attempts[1], timed_out());
    worker.nothing();
    while worker.delivery.in_flight() > 0 {
        worker.pass_to_wake();
    }
    let mut told = [worker.settlement(), worker.settlement()];
    told.sort_by_key(|(stream, _)| *stream);
    let failures = told.map(|(_, settlement)| match settlement.outcome {
        Outcome::Failed(failure) => failure,
        other => panic!("{other:?}"),
    });
    assert_eq!(failures[0].reason, Reason::BrokerUnreachable);
    assert_eq!(failures[0].retry_after, Some(30));
    assert_eq!(failures[1].reason, Reason::OutcomeUnknown);
}
