//! Messages that travel together, and what each client hears.

use std::collections::VecDeque;
use std::time::Duration;

use crate::common::delivery::{
    Worker, answer, answer_saying, message, of_session, timed_out, with_text,
};
use crate::common::sender;
use envoy_service_bus::delivery::{AttemptId, Effect};
use envoy_service_bus::http::Callout;
use envoy_service_bus::message::TextProperty;
use envoy_service_bus::outcome::{Outcome, Reason, SendResult};
use serde_json::{Value as Json, json};

const BATCH: &str = "application/vnd.microsoft.servicebus.json";

fn batching(batch: Json) -> Worker {
    let delivery = json!({"batch": batch, "circuit_breaker": {"failures": 0}});
    Worker::new(sender(json!({"queue": "orders"}), json!({}), json!({"delivery": delivery})))
}

/// A worker with a first message in flight, and the callout of it.
fn busy(batch: Json) -> (Worker, AttemptId) {
    let mut worker = batching(batch);
    worker.submit(0, b"{}");
    let (attempt, callout) = worker.dispatched();
    assert!(ids(&callout).is_empty(), "alone");
    (worker, attempt)
}

/// The ids of the messages of a batch; none, when it is a message by itself.
fn ids(callout: &Callout) -> Vec<String> {
    if callout.header("content-type") != Some(BATCH) {
        return vec![];
    }
    let Json::Array(elements) = serde_json::from_slice(&callout.body).unwrap() else {
        panic!("no list")
    };
    let id = |element: &Json| element["BrokerProperties"]["MessageId"].as_str().unwrap().to_owned();
    elements.iter().map(id).collect()
}

fn told(worker: &mut Worker, count: usize) -> Vec<(u32, Option<Reason>)> {
    let mut told: Vec<_> = (0..count).map(|_| worker.settled()).collect();
    told.sort();
    told
}

#[test]
fn a_lone_message_leaves_at_once() {
    let (mut worker, attempt) = busy(json!({}));
    worker.answer(attempt, answer("201"));
    assert_eq!(worker.settled(), (0, None));
    assert!(worker.delivery.is_quiet());
    worker.submit(1, b"{}");
    assert!(ids(&worker.dispatched().1).is_empty());
}

#[test]
fn what_arrives_while_a_message_is_on_its_way_leaves_together() {
    let (mut worker, first) = busy(json!({}));
    worker.submit(1, b"\"a \xc3\xa9\"");
    let mut second = message("2", b"b");
    second.content_type = Some("text/plain".to_owned());
    worker.submit_message(2, second);
    worker.nothing();
    worker.answer(first, answer("404"));
    let (attempt, callout) = worker.dispatched();
    assert_eq!(worker.settled(), (0, Some(Reason::EntityNotFound)));
    let names: Vec<_> = callout.headers().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [":method", ":path", ":authority", ":scheme", "authorization", "content-type"]
    );
    assert_eq!(
        serde_json::from_slice::<Json>(&callout.body).unwrap(),
        json!([
            {"Body": "\"a é\"", "BrokerProperties": {"MessageId": "1"}},
            {"Body": "b", "BrokerProperties": {"MessageId": "2", "ContentType": "text/plain"}}
        ])
    );
    worker.answer(attempt, answer("201"));
    assert_eq!(told(&mut worker, 2), [(1, None), (2, None)]);
    assert!(worker.delivery.is_quiet());
}

#[test]
fn nobody_waits_for_longer_than_the_linger() {
    let (mut worker, _) = busy(json!({"linger": "7ms"}));
    worker.submit(1, b"{}");
    worker.pass(Duration::from_millis(3));
    worker.submit(2, b"{}");
    worker.nothing();
    assert_eq!(worker.pass_to_wake(), Duration::from_millis(4));
    assert_eq!(ids(&worker.dispatched().1), ["1", "2"]);
    // The next to wait begins anew.
    worker.submit(3, b"{}");
    worker.pass(Duration::from_millis(6));
    worker.nothing();
    worker.pass(Duration::from_millis(1));
    assert!(ids(&worker.dispatched().1).is_empty(), "alone");
}

#[test]
fn who_has_waited_too_long_for_company_is_not_told_of_tokens() {
    let (mut worker, _) = busy(json!({"linger": "9500ms"}));
    worker.submit(1, b"{}");
    worker.pass(Duration::from_secs(10));
    let told = [worker.settlement(), worker.settlement()];
    let Some((_, SendResult { outcome: Outcome::Failed(failure), .. })) =
        told.into_iter().find(|(stream, _)| *stream == 1)
    else {
        panic!("not told")
    };
    assert_eq!(failure.reason, Reason::Overloaded);
    assert_eq!(failure.cause, "was not sent in time");
}

#[test]
fn a_batch_has_a_largest_number_of_messages() {
    let (mut worker, _) = busy(json!({"max_messages": 2}));
    for stream in 1..=5 {
        worker.submit(stream, b"{}");
    }
    assert_eq!(ids(&worker.dispatched().1), ["1", "2"]);
    assert_eq!(ids(&worker.dispatched().1), ["3", "4"]);
    worker.nothing();
}

#[test]
fn a_batch_is_no_larger_than_the_tier_takes() {
    let (mut worker, _) = busy(json!({}));
    for stream in 1..=3 {
        worker.submit(stream, &[b'a'; 120_000]);
    }
    let (_, callout) = worker.dispatched();
    assert_eq!(ids(&callout), ["1", "2"]);
    assert!(callout.body.len() <= 262_144);
    // What is larger as an element than a batch may be goes by itself, as a message can.
    worker.submit(4, &[b'"'; 200_000]);
    let (_, callout) = worker.dispatched();
    assert!(ids(&callout).is_empty());
    assert_eq!(callout.body.len(), 200_000);
}

#[test]
fn where_the_tier_takes_more_a_batch_is_larger() {
    let rest = json!({"max_body_bytes": 1_048_576, "delivery": {"batch": {}}});
    let mut worker = Worker::new(sender(json!({"queue": "orders"}), json!({}), rest));
    worker.submit(0, b"{}");
    worker.dispatched();
    for stream in 1..=5 {
        worker.submit(stream, &[b'a'; 250_000]);
    }
    let (_, callout) = worker.dispatched();
    assert_eq!(ids(&callout), ["1", "2", "3", "4"]);
    assert!(callout.body.len() <= 1_048_576);
    worker.nothing();
}

#[test]
fn those_who_wait_are_held_twice_while_there_is_room() {
    let delivery = json!({"batch": {}, "max_buffered_bytes": 10_000});
    let sender = sender(json!({"queue": "orders"}), json!({}), json!({"delivery": delivery}));
    let mut worker = Worker::new(sender);
    worker.submit(0, b"{}");
    let (first, _) = worker.dispatched();
    worker.submit(1, &[1; 1_000]);
    worker.nothing();
    let held = worker.delivery.buffered_bytes();
    assert!(held > 7_000, "each byte of the body, and its six in the array: {held}");
    // There is room for the message, but not for its escaped copy.
    worker.submit(2, &[1; 1_000]);
    let (alone, callout) = worker.dispatched();
    assert_eq!(*callout.body, [1; 1_000]);
    worker.submit(3, &[1; 2_000]);
    assert_eq!(worker.settled(), (3, Some(Reason::Overloaded)));
    worker.answer(first, answer("201"));
    worker.settled();
    worker.answer(alone, answer("201"));
    let (attempt, _) = worker.dispatched();
    worker.settled();
    worker.answer(attempt, answer("201"));
    worker.settled();
    assert_eq!(worker.delivery.buffered_bytes(), 0);
}

#[test]
fn what_is_not_text_goes_by_itself() {
    let (mut worker, _) = busy(json!({}));
    worker.submit(1, b"{}");
    worker.submit(2, b"\xff");
    let (_, callout) = worker.dispatched();
    assert!(ids(&callout).is_empty());
    assert_eq!(*callout.body, b"\xff");
}

#[test]
fn a_session_has_its_own_batches() {
    let mut worker = batching(json!({}));
    let sessions = [(1, "a"), (2, "a"), (3, "b"), (4, "a"), (5, "b")];
    for (stream, session) in sessions {
        worker.submit_message(stream, of_session(&stream.to_string(), session));
    }
    let (a, _) = worker.dispatched();
    let (b, _) = worker.dispatched();
    worker.nothing();
    worker.answer(a, answer("201"));
    assert_eq!(ids(&worker.dispatched().1), ["2", "4"]);
    worker.settled();
    worker.answer(b, answer("201"));
    assert!(ids(&worker.dispatched().1).is_empty(), "alone");
}

#[test]
fn a_partition_key_has_its_own_batches() {
    let mut worker = batching(json!({}));
    let keyed = |id: &str, key| with_text(id, TextProperty::PartitionKey, key);
    worker.submit(1, b"{}");
    worker.submit_message(2, keyed("2", "a"));
    worker.submit_message(3, keyed("3", "b"));
    let [(plain, _), (a, _), (b, _)] = std::array::from_fn(|_| worker.dispatched());
    for (stream, key) in [(4, "a"), (5, "b"), (6, "a"), (7, "b")] {
        worker.submit_message(stream, keyed(&stream.to_string(), key));
    }
    worker.submit(8, b"{}");
    worker.nothing();
    for (attempt, next) in [(a, &["4", "6"][..]), (b, &["5", "7"]), (plain, &[])] {
        worker.answer(attempt, answer("201"));
        assert_eq!(ids(&worker.dispatched().1), next);
        worker.settled();
    }
}

#[test]
fn credentials_have_their_own_batches() {
    let route = |name: &str, key: &str| {
        json!({
            "name": name, "match": {"path": format!("/{name}")}, "send": {"queue": "orders"},
            "credentials": {"sas": {"key_name": key, "key": {"inline": "a2V5"}}}
        })
    };
    let routes = json!([route("one", "key-one"), route("two", "key-two")]);
    let rest = json!({"routes": routes, "delivery": {"batch": {}}});
    let mut worker = Worker::new(sender(json!({}), json!({}), rest));
    for stream in 0..6 {
        worker.submit_on(stream as usize % 2, stream, message(&stream.to_string(), b"{}"));
    }
    let first = [worker.dispatched(), worker.dispatched()];
    worker.nothing();
    for ((attempt, alone), (key, together)) in
        first.into_iter().zip([("key-one", ["2", "4"]), ("key-two", ["3", "5"])])
    {
        worker.answer(attempt, answer("201"));
        let (_, batch) = worker.dispatched();
        assert_eq!(ids(&batch), together);
        for callout in [&alone, &batch] {
            let token = callout.authorization.as_deref().unwrap();
            assert!(token.ends_with(&format!("&skn={key}")), "{token}");
        }
        worker.settled();
    }
}

/// A batch of messages 1 to 3 in flight.
fn batch_of_three() -> (Worker, AttemptId) {
    let (mut worker, first) = busy(json!({}));
    for stream in 1..=3 {
        worker.submit(stream, b"{}");
    }
    worker.answer(first, answer("201"));
    let (attempt, callout) = worker.dispatched();
    assert_eq!(ids(&callout), ["1", "2", "3"]);
    worker.settled();
    (worker, attempt)
}

/// The ids of all messages of a callout, be it one.
fn all_ids(callout: &Callout) -> Vec<u32> {
    let numbers = |ids: Vec<String>| ids.iter().map(|id| id.parse().unwrap()).collect();
    match callout.header("brokerproperties") {
        Some(json) => {
            let json: Json = serde_json::from_str(json).unwrap();
            vec![json["MessageId"].as_str().unwrap().parse().unwrap()]
        }
        None => numbers(ids(callout)),
    }
}

/// What comes of a batch of messages of which the broker refuses some.
struct Poisoned {
    told: Vec<(u32, Option<Reason>)>,
    /// Callouts, that of the whole batch included.
    sends: usize,
    /// Callouts at once.
    most: usize,
}

fn poisoned(messages: u32, bad: &[u32], retries: Json) -> Poisoned {
    let delivery = json!({
        "batch": {"max_messages": messages}, "retries": retries, "circuit_breaker": {"failures": 0}
    });
    let sender = sender(json!({"queue": "orders"}), json!({}), json!({"delivery": delivery}));
    let mut worker = Worker::new(sender);
    worker.submit(0, b"{}");
    let (first, _) = worker.dispatched();
    for stream in 1..=messages {
        worker.submit(stream, b"{}");
    }
    let mut under_way = VecDeque::new();
    let (mut told, mut sends, mut most) = (vec![], 0, 0);
    let mut next = Some((first, vec![0]));
    while let Some((attempt, ids)) = next {
        let refused = ids.iter().any(|id| bad.contains(id));
        worker.answer(attempt, answer(if refused { "400" } else { "201" }));
        while let Some(effect) = worker.effect() {
            match effect {
                Effect::Dispatch(attempt, callout, _) => {
                    sends += 1;
                    under_way.push_back((attempt, all_ids(&callout)));
                }
                Effect::Finish(stream, settlement) => told.push((
                    stream.0,
                    match settlement.outcome {
                        Outcome::Failed(failure) => Some(failure.reason),
                        _ => None,
                    },
                )),
                other => panic!("{other:?}"),
            }
        }
        most = most.max(under_way.len());
        next = under_way.pop_front();
    }
    assert!(worker.delivery.is_quiet());
    assert_eq!(worker.delivery.buffered_bytes(), 0);
    told.sort();
    Poisoned { told, sends, most }
}

#[test]
fn of_a_refused_batch_the_bad_messages_fail_alone() {
    let cases: [&[u32]; 5] = [&[1], &[64], &[2, 3], &[1, 17, 50], &[64, 63, 62, 5]];
    for bad in cases {
        let Poisoned { told, sends, .. } = poisoned(64, bad, json!({}));
        for (stream, reason) in &told {
            let expected = bad.contains(stream).then_some(Reason::MessageRejected);
            assert_eq!(*reason, expected, "{stream} of {bad:?}");
        }
        assert_eq!(told.len(), 65);
        // Two for each halving, and six halvings lead to one of 64.
        assert!(sends <= 1 + 12 * bad.len(), "{sends} for {bad:?}");
    }
}

#[test]
fn a_client_who_sends_bad_messages_takes_few_callouts_at_once() {
    let all: Vec<_> = (1..=64).collect();
    for (percent, room) in [(20, 3), (0, 1), (100, 64)] {
        let Poisoned { told, sends, most } = poisoned(64, &all, json!({"budget_percent": percent}));
        assert!(told[1..].iter().all(|(_, reason)| *reason == Some(Reason::MessageRejected)));
        assert_eq!(sends, 2 * 64 - 1, "never twice as many as there are messages");
        assert!(most <= room, "{most} at once of {percent} %");
    }
    assert_eq!(poisoned(64, &all, json!({"max": 0})).sends, 127);
}

#[test]
fn who_waits_for_its_half_is_told_in_time() {
    let delivery = json!({
        "batch": {}, "retries": {"budget_percent": 0}, "circuit_breaker": {"failures": 0},
        "timeout": "10s", "attempt_timeout": "10s"
    });
    let sender = sender(json!({"queue": "orders"}), json!({}), json!({"delivery": delivery}));
    let mut worker = Worker::new(sender);
    worker.submit(0, b"{}");
    let (first, _) = worker.dispatched();
    worker.submit(1, b"{}");
    worker.submit(2, b"{}");
    worker.answer(first, answer("201"));
    let (batch, _) = worker.dispatched();
    worker.settled();
    worker.answer(batch, answer("400"));
    let (first_half, alone) = worker.dispatched();
    assert_eq!(all_ids(&alone), [1]);
    worker.nothing();
    worker.pass(Duration::from_secs(9));
    worker.nothing();
    worker.pass(Duration::from_secs(1));
    assert_eq!(worker.settled(), (2, Some(Reason::Overloaded)));
    worker.answer(first_half, answer("201"));
    assert_eq!(worker.settled(), (1, None));
    assert!(worker.delivery.is_quiet());
}

#[test]
fn the_parts_of_a_refused_batch_have_no_more_retries_for_it() {
    let (mut worker, first) = batch_of_three();
    worker.answer(first, answer("503"));
    for _ in 0..2 {
        let (attempt, _) = worker.next_dispatch();
        worker.answer(attempt, answer("503"));
    }
    let (attempt, callout) = worker.next_dispatch();
    assert_eq!(ids(&callout), ["1", "2", "3"]);
    worker.answer(attempt, answer("400"));
    for part in [&[1, 2][..], &[3]] {
        let (attempt, callout) = worker.dispatched();
        assert_eq!(all_ids(&callout), part);
        worker.answer(attempt, answer("503"));
    }
    let throttled: Vec<_> = (1..=3).map(|stream| (stream, Some(Reason::Throttled))).collect();
    assert_eq!(told(&mut worker, 3), throttled);
    assert!(worker.delivery.is_quiet());
}

#[test]
fn a_message_with_little_time_left_does_not_shorten_the_callout_of_others() {
    // Envoy's timer is late, so the first to wait is old when the last comes.
    let delivery = json!({
        "batch": {"linger": "9s"}, "timeout": "10s", "attempt_timeout": "10s",
        "circuit_breaker": {"failures": 0}
    });
    let sender = sender(json!({"queue": "orders"}), json!({}), json!({"delivery": delivery}));
    let mut worker = Worker::new(sender);
    worker.submit(0, b"{}");
    let (first, _) = worker.dispatched();
    for stream in 1..=4 {
        worker.submit(stream, b"{}");
        worker.now += Duration::from_secs(2);
    }
    worker.answer(first, answer("201"));
    let mut left = vec![];
    while let Some(effect) = worker.effect() {
        if let Effect::Dispatch(_, callout, _) = effect {
            left.push((all_ids(&callout), callout.timeout.as_secs()));
        }
    }
    left.sort();
    assert_eq!(left, [(vec![1], 2), (vec![2, 3, 4], 4)]);
}

#[test]
fn what_all_have_in_common_fails_them_all() {
    for (status, reason) in [("404", Reason::EntityNotFound), ("403", Reason::BrokerForbidden)] {
        let (mut worker, attempt) = batch_of_three();
        worker.answer(attempt, answer(status));
        let all: Vec<_> = (1..=3).map(|stream| (stream, Some(reason))).collect();
        assert_eq!(told(&mut worker, 3), all);
    }
}

#[test]
fn a_batch_is_sent_again_as_it_is() {
    let (mut worker, attempt) = batch_of_three();
    worker.answer(attempt, timed_out());
    worker.nothing();
    let (attempt, callout) = worker.next_dispatch();
    assert_eq!(ids(&callout), ["1", "2", "3"]);
    worker.answer(attempt, answer("201"));
    let settlements: Vec<SendResult> = (0..3).map(|_| worker.settlement().1).collect();
    assert!(settlements.iter().all(|settlement| settlement.attempts == 2));
}

#[test]
fn who_has_waited_long_enough_is_left_out_when_a_batch_is_sent_again() {
    let (mut worker, first) = busy(json!({"linger": "9s"}));
    worker.submit(1, b"{}");
    worker.now += Duration::from_secs(5);
    worker.submit(2, b"{}");
    worker.answer(first, answer("201"));
    let (attempt, callout) = worker.dispatched();
    assert_eq!(ids(&callout), ["1", "2"]);
    assert_eq!(worker.settled(), (0, None));
    worker.now += Duration::from_millis(4500);
    worker.answer(attempt, answer_saying("503", "50009: Please wait 1 seconds and try again."));
    assert_eq!(worker.settled(), (1, Some(Reason::Throttled)));
    let (attempt, callout) = worker.next_dispatch();
    assert!(ids(&callout).is_empty(), "alone");
    worker.answer(attempt, answer("201"));
    assert_eq!(worker.settled(), (2, None));
}

#[test]
fn a_refused_token_is_renewed_for_a_batch() {
    let (mut worker, attempt) = batch_of_three();
    worker.now += Duration::from_secs(1);
    worker.answer(attempt, answer("401"));
    let (attempt, callout) = worker.dispatched();
    assert_eq!(ids(&callout), ["1", "2", "3"]);
    worker.answer(attempt, answer("201"));
    assert_eq!(told(&mut worker, 3), [(1, None), (2, None), (3, None)]);
}
