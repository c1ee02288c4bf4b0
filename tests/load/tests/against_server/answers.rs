//! Which answers are counted as what, and what makes one wrong.

use std::time::Duration;

use clap::Parser as _;
use service_bus_load::book::{Entry, Outcome};
use service_bus_load::command::Options;
use service_bus_load::run;

use crate::server::{Reply, Server, answer};

pub(crate) async fn load(server: &Server, args: &[&str]) -> Vec<Entry> {
    let url = server.url();
    let args = ["service-bus-load", "--url", &url].into_iter().chain(args.iter().copied());
    run::run(Options::parse_from(args).load().unwrap()).await.unwrap().entries
}

/// The only entry of a run with one request that is treated so.
async fn one(args: &[&str], behaviour: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Entry {
    let server = Server::start(behaviour);
    let args: Vec<_> = ["--requests", "1"].iter().chain(args).copied().collect();
    let mut entries = load(&server, &args).await;
    assert_eq!(entries.len(), 1);
    entries.remove(0)
}

/// Outcome and error of a 202 that is changed in flight.
async fn changed(change: fn(String) -> String, close: bool) -> (Outcome, Option<String>) {
    let entry = one(&["--timeout", "300ms"], move |key| {
        let bytes = String::from_utf8(Reply::accepted(key).bytes).unwrap();
        Reply { close, ..Reply::bytes(change(bytes)) }
    })
    .await;
    (entry.outcome, entry.wrong.map(Into::into))
}

#[tokio::test]
async fn good_answers_are_booked_once_each_on_connections_that_stay() {
    let server = Server::start(Reply::accepted);
    let entries = load(&server, &["--requests", "2000", "--connections", "8"]).await;
    assert_eq!(entries.len(), 2000);
    for (n, entry) in entries.iter().enumerate() {
        assert_eq!(entry.key.to_string(), format!("1-{n}"));
        assert_eq!((entry.outcome, entry.sent), (Outcome::Answered(202), true));
        assert_eq!((&entry.wrong, &entry.reason, &entry.detail), (&None, &None, &None));
    }
    assert_eq!(server.look(|state| (state.connected, state.whole.len())), (8, 2000));
}

#[tokio::test]
async fn an_answer_that_ends_the_connection_costs_no_request() {
    let server = Server::start(|key| {
        let bytes = String::from_utf8(Reply::accepted(key).bytes).unwrap();
        let bytes = bytes.replacen("\r\n", "\r\nconnection: close\r\n", 1);
        Reply { close: true, ..Reply::bytes(bytes) }
    });
    let entries = load(&server, &["--requests", "50", "--connections", "2"]).await;
    assert!(entries.iter().all(|e| e.outcome == Outcome::Answered(202) && e.wrong.is_none()));
    assert_eq!(server.look(|state| state.connected), 50);
}

#[tokio::test]
async fn a_problem_is_booked_with_its_reason() {
    let entry = one(&[], |key| Reply::problem(503, "throttled", "retry-after: 10\r\n", key)).await;
    assert_eq!((entry.outcome, &entry.wrong), (Outcome::Answered(503), &None));
    assert_eq!(entry.reason.unwrap(), "throttled");
}

#[tokio::test]
async fn a_client_rests_after_a_503_if_it_is_told_to() {
    let server = Server::start(|key| Reply::problem(503, "overloaded", "retry-after: 1\r\n", key));
    let url = server.url();
    let args = ["--requests", "4", "--connections", "1", "--backoff", "20ms"];
    let args = ["service-bus-load", "--url", &url].into_iter().chain(args);
    let run = run::run(Options::parse_from(args).load().unwrap()).await.unwrap();
    assert_eq!(run.entries.len(), 4);
    assert!(run.duration >= Duration::from_millis(80));
}

#[tokio::test]
async fn another_requests_answer_is_wrong() {
    let entry = one(&[], |_| Reply::accepted("1-1")).await;
    assert_eq!(entry.wrong.unwrap().as_ref(), "x-tracking-id is 1-1, not 1-0");
}

#[tokio::test]
async fn an_answer_of_envoy_itself_is_wrong() {
    let entry = one(&[], |_| Reply::bytes(answer("503 Service Unavailable", "", "reset"))).await;
    assert_eq!(entry.wrong.unwrap().as_ref(), "no x-tracking-id");
    let unchecked =
        one(&["--unchecked"], |_| Reply::bytes(answer("503 Service Unavailable", "", "x"))).await;
    assert_eq!((unchecked.outcome, unchecked.wrong), (Outcome::Answered(503), None));
}

#[tokio::test]
async fn a_route_may_have_its_own_accepted_body() {
    let body = r#"{"status":"processing","trackingId":"{key}"}"#;
    let entry = one(&["--accepted-body", body], |key| {
        let body = format!(r#"{{"trackingId":"{key}","status":"processing"}}"#);
        let head = format!("content-type: application/json\r\nx-tracking-id: {key}\r\n");
        Reply::bytes(answer("202 Accepted", &head, &body))
    })
    .await;
    assert_eq!((entry.outcome, entry.wrong), (Outcome::Answered(202), None));
}

#[tokio::test]
async fn bytes_behind_an_answer_are_wrong() {
    let (outcome, wrong) = changed(|answer| answer + "}}", false).await;
    assert_eq!(outcome, Outcome::Answered(202));
    assert_eq!(wrong.unwrap(), "2 bytes follow the answer");
}

#[tokio::test]
async fn half_an_answer_is_wrong() {
    let shorter = |mut answer: String| {
        answer.pop();
        answer
    };
    let length = Reply::accepted("1-0").bytes.len() - 1;
    let stopped = |wrong: Option<String>| {
        assert_eq!(wrong.unwrap(), format!("answer stopped after {length} bytes"));
    };
    let (outcome, wrong) = changed(shorter, true).await;
    assert_eq!(outcome, Outcome::ConnectionLost);
    stopped(wrong);
    let (outcome, wrong) = changed(shorter, false).await;
    assert_eq!(outcome, Outcome::Timeout);
    stopped(wrong);
}

#[tokio::test]
async fn what_is_not_http_is_wrong() {
    let (outcome, wrong) = changed(|answer| answer.replace("HTTP/1.1", "ICY"), false).await;
    assert_eq!(outcome, Outcome::ConnectionLost);
    assert_eq!(wrong.unwrap(), "answer is not HTTP: invalid version");
}

#[tokio::test]
async fn silence_is_a_timeout_and_not_wrong() {
    let entry = one(&["--timeout", "50ms"], |_| Reply::bytes("")).await;
    assert_eq!((entry.outcome, entry.sent, entry.wrong), (Outcome::Timeout, true, None));
}

#[tokio::test]
async fn a_slow_answer_is_waited_for() {
    let after = Duration::from_millis(50);
    let entry = one(&[], move |key| Reply { after, ..Reply::accepted(key) }).await;
    assert_eq!((entry.outcome, entry.wrong), (Outcome::Answered(202), None));
    assert!(entry.micros >= 50_000);
}

#[tokio::test]
async fn a_connection_that_ends_without_answer_is_lost_and_not_wrong() {
    let entry = one(&[], |_| Reply { close: true, ..Reply::bytes("") }).await;
    assert_eq!((entry.outcome, entry.sent, entry.wrong), (Outcome::ConnectionLost, true, None));
    assert_eq!(entry.detail.unwrap().as_ref(), "closed by the peer");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_lost_connection_with_nothing_sent() {
    let server = Server::start(Reply::accepted);
    let url = server.url();
    drop(server);
    let options = Options::parse_from(["service-bus-load", "--url", &url, "--requests", "3"]);
    let entries = run::run(options.load().unwrap()).await.unwrap().entries;
    assert_eq!(entries.len(), 3);
    for entry in entries {
        assert_eq!((entry.outcome, entry.sent), (Outcome::ConnectionLost, false));
        let detail = entry.detail.unwrap();
        assert_eq!(detail.as_ref(), "cannot connect: Connection refused (os error 111)");
    }
}

const BIG: [&str; 2] = ["--body-bytes", "20000000"];

#[tokio::test]
async fn a_refusal_in_the_middle_of_the_body_is_read() {
    let entry = one(&BIG, |key| Reply {
        at_head: true,
        ..Reply::problem(413, "payload_too_large", "", key)
    })
    .await;
    assert_eq!((entry.outcome, entry.sent), (Outcome::Answered(413), false));
    assert_eq!((entry.reason.unwrap().as_ref(), entry.wrong), ("payload_too_large", None));
}

#[tokio::test]
async fn an_acceptance_in_the_middle_of_the_body_is_wrong() {
    let entry = one(&BIG, |key| Reply { at_head: true, ..Reply::accepted(key) }).await;
    assert_eq!((entry.outcome, entry.sent), (Outcome::Answered(202), false));
    assert_eq!(entry.wrong.unwrap().as_ref(), "202 before the request was sent whole");
}
