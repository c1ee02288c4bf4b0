//! Tokens that are fetched: one for all workers, ahead of need, and what happens when none comes.

use std::rc::Rc;
use std::time::Duration;

use crate::common::shared::Memory;
use crate::common::tokens::{Got, Worker, grant, says};
use crate::common::{NOW, START};
use envoy_service_bus::credentials::CredentialEvent;
use envoy_service_bus::http::{DispatchError, Response};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn alone() -> Worker {
    Worker::new(&Rc::default())
}

/// A worker with a token that lives for an hour.
fn served() -> Worker {
    let mut worker = alone();
    worker.poll().unwrap();
    worker.fetched(&grant("first", NOW, 3600));
    worker.events();
    worker
}

#[test]
fn a_token_is_fetched_before_anybody_asks() {
    let mut worker = alone();
    let callout = worker.wait().unwrap();
    assert_eq!(&*callout.cluster, "imds");
    assert_eq!(worker.access(), Got::Wait);
    assert!(worker.poll().is_none(), "one question at a time");
    worker.fetched(&grant("first", NOW, 3600));
    assert_eq!(worker.token().0, "Bearer first");
    assert_eq!(worker.events(), [CredentialEvent::Fetched { expires_at: NOW + seconds(3600) }]);
    assert_eq!(worker.signer.expires_at(), Some(NOW + seconds(3600)));
}

#[test]
fn a_token_is_renewed_ahead_without_a_request() {
    let mut worker = served();
    let wake = worker.signer.wake(START).unwrap();
    // A fifth of the life is 720 s, a random share of up to another tenth comes before.
    assert!((seconds(3600 - 1080)..=seconds(3600 - 720)).contains(&wake));
    worker.now = START + (wake - Duration::from_millis(1));
    assert!(worker.poll().is_none());
    worker.now = START + wake;
    worker.poll().unwrap();
    assert_eq!(worker.token().0, "Bearer first");
    worker.fetched(&grant("second", worker.now.wall, 3600));
    assert_eq!(worker.token().0, "Bearer second");
}

#[test]
fn a_valid_token_is_used_while_its_renewal_fails() {
    let mut worker = served();
    worker.wait().unwrap();
    worker.fetched(&says("500", ""));
    let mut questions = 0;
    while worker.now.wall < NOW + seconds(3594) {
        assert_eq!(worker.token().0, "Bearer first");
        if worker.wait().is_some() {
            questions += 1;
            worker.fetched(&says("500", ""));
        }
    }
    assert!((10..40).contains(&questions), "{questions} in twelve minutes");
    worker.now = START + seconds(3595);
    assert!(matches!(worker.access(), Got::Unavailable(cause) if cause.contains("500")));
    // It goes on asking, and is well again when it is told a token.
    while worker.wait().is_none() {}
    worker.fetched(&grant("second", worker.now.wall, 3600));
    assert_eq!(worker.token().0, "Bearer second");
}

#[test]
fn sends_wait_for_a_while_and_not_for_ever() {
    let mut worker = alone();
    for failure in 1..=5 {
        while worker.wait().is_none() {}
        worker.fetched(&says("429", ""));
        let got = worker.access();
        match failure {
            5 => assert_eq!(got, Got::Unavailable("the token service answered 429".to_owned())),
            _ => assert_eq!(got, Got::Wait),
        }
    }
}

#[test]
fn waits_between_questions_are_those_that_microsoft_asks_for() {
    let upgrading = says("410", "");
    let mut wish = says("429", "");
    wish.headers =
        [(":status", "429"), ("x-envoy-upstream-service-time", "1"), ("retry-after", "7")]
            .into_iter()
            .collect();
    let table: [(Response, [u64; 5]); 3] = [
        // Three quarters of what doubles: half of it is random.
        (says("503", ""), [600, 1200, 2400, 4800, 9600]),
        (upgrading, [5000, 10_000, 20_000, 40_000, 40_000]),
        (wish, [7000; 5]),
    ];
    for (answer, waits) in table {
        let mut worker = alone();
        worker.poll().unwrap();
        for wait in waits {
            let before = worker.now.monotonic;
            worker.fetched(&answer);
            while worker.wait().is_none() {}
            assert_eq!((worker.now.monotonic - before).as_millis(), u128::from(wait), "{answer:?}");
        }
    }
}

#[test]
fn what_will_be_refused_again_is_asked_again_only_when_somebody_wants_it() {
    for status in ["400", "401", "403"] {
        let mut worker = alone();
        worker.poll().unwrap();
        worker.fetched(&says(
            status,
            r#"{"error":"invalid_client","error_description":"canary","error_codes":[7000215]}"#,
        ));
        let cause = format!("the token service answered {status}: invalid_client, AADSTS7000215");
        assert_eq!(worker.access(), Got::Unavailable(cause.clone()));
        assert_eq!(worker.events(), [CredentialEvent::FetchFailed { cause: cause.clone() }]);
        worker.pass(seconds(29));
        assert_eq!(worker.access(), Got::Unavailable(cause));
        assert!(worker.poll().is_none());
        worker.pass(seconds(2));
        assert_eq!(worker.access(), Got::Wait);
        worker.wait().unwrap();
        worker.fetched(&grant("first", worker.now.wall, 3600));
        assert_eq!(worker.token().0, "Bearer first");
    }
    let mut worker = alone();
    worker.poll().unwrap();
    worker.fetched(&says("400", ""));
    assert_eq!(worker.signer.wake(worker.now), None, "nobody wants a token");
}

#[test]
fn a_question_that_is_never_answered_is_asked_again() {
    let mut worker = alone();
    worker.poll().unwrap();
    assert!(worker.wait().is_none());
    while worker.wait().is_none() {}
    assert!(worker.now.wall >= NOW + seconds(7));
    worker.fetched(&grant("first", worker.now.wall, 3600));
    assert_eq!(worker.token().0, "Bearer first");
}

#[test]
fn a_cluster_that_is_not_there_may_come() {
    for (error, cause) in [
        (DispatchError::UnknownCluster, "Envoy knows no cluster \"imds\""),
        (DispatchError::Unavailable, "cluster \"imds\" has no healthy host"),
    ] {
        let mut worker = alone();
        worker.poll().unwrap();
        worker.signer.not_fetched(error, START, 500, Rc::clone(&worker.memory).as_ref());
        assert_eq!(worker.access(), Got::Wait);
        assert_eq!(worker.events(), [CredentialEvent::FetchFailed { cause: cause.to_owned() }]);
        while worker.wait().is_none() {}
        assert!(worker.now.wall < NOW + seconds(1));
        worker.fetched(&grant("first", worker.now.wall, 3600));
        assert_eq!(worker.token().0, "Bearer first");
    }
}

#[test]
fn of_all_workers_one_asks() {
    let memory = Rc::new(Memory::default());
    let mut workers: Vec<_> = (0..5).map(|_| Worker::new(&memory)).collect();
    let questions = workers.iter_mut().filter_map(Worker::poll).count();
    assert_eq!(questions, 1);
    for worker in &mut workers {
        assert_eq!(worker.access(), Got::Wait);
    }
    workers[0].fetched(&grant("first", NOW, 3600));
    for worker in &mut workers {
        worker.pass(Duration::from_millis(25));
        assert_eq!(worker.token().0, "Bearer first");
        assert!(worker.poll().is_none());
    }
    let expires_at = NOW + seconds(3600);
    assert_eq!(workers[0].events(), [CredentialEvent::Fetched { expires_at }]);
    // Its own destination is told of it by each.
    assert_eq!(workers[1].events(), [CredentialEvent::Adopted { expires_at }]);
    // The same holds for the renewal.
    let mut questions = 0;
    for worker in &mut workers {
        worker.now = START + seconds(2900);
        questions += usize::from(worker.poll().is_some());
        assert_eq!(worker.token().0, "Bearer first");
    }
    assert_eq!(questions, 1);
}

#[test]
fn a_worker_that_dies_with_its_question_is_replaced() {
    let memory = Rc::new(Memory::default());
    Worker::new(&memory).poll().unwrap();
    let mut other = Worker::new(&memory);
    assert!(other.poll().is_none());
    while other.wait().is_none() {}
    assert!((NOW + seconds(7)..NOW + seconds(8)).contains(&other.now.wall), "{:?}", other.now);
}

#[test]
fn a_failure_that_comes_late_does_not_end_anothers_question() {
    let memory = Rc::new(Memory::default());
    let (mut one, mut other) = (Worker::new(&memory), Worker::new(&memory));
    one.poll().unwrap();
    while other.wait().is_none() {}
    one.now = other.now;
    one.fetched(&says("400", ""));
    assert!(matches!(one.events()[..], [CredentialEvent::FetchFailed { .. }]));
    one.pass(Duration::from_millis(25));
    assert_eq!(one.access(), Got::Wait);
    assert!(one.poll().is_none(), "the other's question may still be answered");
    other.fetched(&grant("first", other.now.wall, 3600));
    one.pass(Duration::from_millis(25));
    assert_eq!(one.token().0, "Bearer first");
}

#[test]
fn all_workers_learn_of_a_failure() {
    let memory = Rc::new(Memory::default());
    let (mut one, mut other) = (Worker::new(&memory), Worker::new(&memory));
    one.poll().unwrap();
    assert_eq!(other.access(), Got::Wait);
    one.fetched(&says("400", ""));
    other.pass(Duration::from_millis(25));
    assert_eq!(
        other.access(),
        Got::Unavailable("another worker could not fetch a token".to_owned())
    );
    assert!(other.poll().is_none());
}

#[test]
fn a_token_that_service_bus_refuses_is_replaced_once() {
    let memory = Rc::new(Memory::default());
    let (mut one, mut other) = (Worker::new(&memory), Worker::new(&memory));
    one.poll().unwrap();
    one.fetched(&grant("first", NOW, 3600));
    let (_, token_id) = one.token();
    assert_eq!(other.token().1, token_id);
    one.events();
    other.events();
    assert!(one.refused(token_id));
    assert_eq!(one.events(), [CredentialEvent::Refreshed]);
    assert_eq!(one.access_after(Some(token_id)), Got::Wait);
    // The other has sent with the same token.
    assert!(other.refused(token_id));
    assert_eq!(other.events(), []);
    assert!(one.wait().is_some() ^ other.wait().is_some());
    assert!(one.refused(token_id), "of the token that is being replaced");
    assert_eq!(one.events(), []);
    one.fetched(&grant("second", one.now.wall, 3600));
    let (value, second) = one.token();
    assert_eq!(value, "Bearer second");
    // Service Bus refuses that one too: asking again at once would help nobody.
    assert!(!one.refused(second));
    assert!(one.refused(token_id), "of a token before there is a newer one");
    one.pass(seconds(10));
    assert!(one.refused(second));
}

#[test]
fn a_refused_token_serves_others_until_its_successor_is_there() {
    let memory = Rc::new(Memory::default());
    let (mut one, mut other) = (Worker::new(&memory), Worker::new(&memory));
    one.poll().unwrap();
    one.fetched(&grant("first", NOW, 3600));
    let (_, token_id) = one.token();
    assert!(one.refused(token_id));
    one.wait().unwrap();
    for _ in 0..3 {
        one.fetched(&says("503", ""));
        assert_eq!(one.access_after(Some(token_id)), Got::Wait);
        assert_eq!(one.token().0, "Bearer first");
        other.now = one.now;
        assert_eq!(other.token().0, "Bearer first");
        while one.wait().is_none() {}
    }
    // Nobody will give another, and who has been refused need not wait for it.
    one.fetched(&says("400", ""));
    assert!(matches!(one.access_after(Some(token_id)), Got::Unavailable(_)));
    assert_eq!(one.token().0, "Bearer first");
    one.pass(seconds(30));
    assert_eq!(one.access_after(Some(token_id)), Got::Wait);
    one.wait().unwrap();
    one.fetched(&grant("second", one.now.wall, 3600));
    assert_eq!(
        one.access_after(Some(token_id)),
        Got::Token("Bearer second".to_owned(), one.token().1)
    );
    let wake = one.signer.wake(one.now).unwrap();
    assert!(wake > seconds(2000), "no further renewal is due");
}

#[test]
fn a_wall_clock_that_is_set_holds_nobody_up_and_ends_no_rest() {
    for hours in [-1, 1] {
        let set = |worker: &mut Worker| {
            let wall = worker.now.wall;
            worker.now.wall = if hours < 0 { wall - seconds(3600) } else { wall + seconds(3600) };
        };
        let mut worker = alone();
        worker.poll().unwrap();
        worker.fetched(&says("410", ""));
        set(&mut worker);
        assert!(worker.poll().is_none(), "{hours}: the service wants to be left alone");
        worker.pass(seconds(5));
        assert!(worker.poll().is_some(), "{hours}");
        let mut asking = alone();
        asking.poll().unwrap();
        let mut other = Worker::new(&asking.memory);
        set(&mut other);
        assert!(other.poll().is_none(), "{hours}: the other's question may still be answered");
        set(&mut asking);
        asking.fetched(&grant("first", asking.now.wall, 3600));
        other.pass(Duration::from_millis(25));
        assert_eq!(other.token().0, "Bearer first");
    }
}

#[test]
fn a_short_life_is_used_for_the_most_part() {
    let mut worker = alone();
    worker.poll().unwrap();
    worker.fetched(&grant("first", NOW, 2));
    worker.now = START + Duration::from_millis(1500);
    assert_eq!(worker.token().0, "Bearer first");
    assert!(worker.poll().is_some(), "its renewal");
    worker.now = START + Duration::from_millis(1900);
    assert_eq!(worker.access(), Got::Wait);
}
