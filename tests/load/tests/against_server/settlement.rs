//! The book beside the broker's, through the command.

use std::process::Output;

use serde_json::json;

use crate::command::{command, errors, summary};
use crate::server::{Reply, Server};

/// Settles a run after which the broker's book is changed by hand.
fn settled(
    args: &[&str],
    extra: &[(&str, u64)],
    behaviour: impl Fn(&str) -> Reply + Send + Sync + 'static,
) -> Output {
    let server = Server::start(behaviour);
    server.look(|state| {
        state.stored = extra.iter().map(|(key, count)| ((*key).to_owned(), *count)).collect();
    });
    let settle = ["--settle", &server.origin(), "--entity", "orders"];
    command(&server, &[&settle[..], args].concat())
}

/// Settles one request and expects this violation.
fn violated(expected: &str, behaviour: impl Fn(&str) -> Reply + Send + Sync + 'static) {
    let output = settled(&["--requests", "1"], &[], behaviour);
    assert_eq!((output.status.code(), errors(&output)), (Some(1), vec![expected]));
    assert_eq!(summary(&output)["settlement"]["violations"], 1);
}

fn unknown(key: &str) -> Reply {
    Reply::problem(503, "outcome_unknown", "retry-after: 5\r\n", key)
}

#[test]
fn books_that_agree_end_well() {
    let output = settled(
        &["--requests", "400", "--abort-percent", "30", "--abort-within", "1ms"],
        &[],
        |key| match key.as_bytes().last() {
            Some(b'3') => Reply::problem(503, "throttled", "retry-after: 10\r\n", key),
            Some(b'4') => Reply { stored: 1, ..unknown(key) },
            Some(b'5') => unknown(key),
            _ => Reply::accepted(key),
        },
    );
    assert_eq!((output.status.code(), errors(&output)), (Some(0), vec![]));
    let summary = summary(&output);
    assert_eq!(summary["settlement"]["violations"], 0);
    assert!(summary["settlement"]["stored"].as_u64() > Some(200), "{summary}");
    assert!(summary["aborted"].as_u64() > Some(40), "{summary}");
}

#[test]
fn a_202_with_nothing_behind_it_is_found() {
    violated("violation: 1-0 (202): expected 1 stored, found 0", |key| Reply {
        stored: 0,
        ..Reply::accepted(key)
    });
}

#[test]
fn a_202_with_two_messages_behind_it_is_found() {
    violated("violation: 1-0 (202): expected 1 stored, found 2", |key| Reply {
        stored: 2,
        ..Reply::accepted(key)
    });
}

#[test]
fn a_message_behind_a_refusal_is_found() {
    violated("violation: 1-0 (503 throttled): expected 0 stored, found 1", |key| Reply {
        stored: 1,
        ..Reply::problem(503, "throttled", "retry-after: 10\r\n", key)
    });
    violated("violation: 1-0 (413 payload_too_large): expected 0 stored, found 1", |key| Reply {
        stored: 1,
        ..Reply::problem(413, "payload_too_large", "", key)
    });
}

#[test]
fn two_messages_behind_a_doubtful_answer_are_found_where_duplicates_are_detected() {
    let twice = |key: &str| Reply { stored: 2, ..unknown(key) };
    violated("violation: 1-0 (503 outcome_unknown): expected 0 to 1 stored, found 2", twice);
    let output = settled(&["--requests", "1", "--no-duplicate-detection"], &[], twice);
    assert_eq!((output.status.code(), errors(&output)), (Some(0), vec![]));
}

#[test]
fn a_message_without_a_request_is_found() {
    let output = settled(&["--requests", "1"], &[("9-9", 1)], Reply::accepted);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(errors(&output), ["violation: 9-9 (no request): expected 0 stored, found 1"]);
    let expected = json!({"entities": ["orders"], "stored": 2, "duplicates": 0, "violations": 1});
    assert_eq!(summary(&output)["settlement"], expected);
}

#[test]
fn a_message_of_a_request_that_broke_off_is_found() {
    let args = ["--requests", "40", "--abort-percent", "100", "--abort-within", "1ms"];
    let extra: Vec<_> = (0..40).map(|n| format!("1-{n}")).collect();
    let extra: Vec<_> = extra.iter().map(|key| (key.as_str(), 1)).collect();
    let output = settled(&args, &extra, |_| Reply::bytes(""));
    assert_eq!(output.status.code(), Some(1));
    let broke_off = "(aborted before it was sent whole): expected 0 stored, found 1";
    assert!(errors(&output).iter().filter(|error| error.ends_with(broke_off)).count() >= 5);
}

#[test]
fn repeated_keys_are_balanced_as_one_message() {
    let args = ["--requests", "200", "--duplicate-percent", "20"];
    let stored_each_time = settled(&args, &[], Reply::accepted);
    assert_eq!(stored_each_time.status.code(), Some(1));
    let errors_of_repeats = errors(&stored_each_time);
    for error in &errors_of_repeats[..10] {
        let requests = error.matches("202").count();
        let expected = format!("202): expected 1 stored, found {requests}");
        assert!(requests > 1 && error.ends_with(&expected), "{error}");
    }

    let plain: Vec<_> = [&args[..], &["--no-duplicate-detection"]].concat();
    let output = settled(&plain, &[], Reply::accepted);
    assert_eq!((output.status.code(), errors(&output)), (Some(0), vec![]));
}

#[test]
fn an_emulator_that_does_not_answer_ends_the_command_with_two() {
    let server = Server::start(Reply::accepted);
    let settle = ["--settle", &server.origin(), "--entity", "invoices", "--requests", "1"];
    let output = command(&server, &settle);
    assert_eq!(output.status.code(), Some(2));
    let expected = format!(
        "service-bus-load: {}/$emulator/stored?entity=invoices: status 202: {}",
        server.origin(),
        r#"{"status":"accepted","trackingId":""}"#
    );
    assert_eq!(errors(&output), [expected]);
}

#[test]
fn a_brokers_book_that_does_not_add_up_is_no_book() {
    let server = Server::start(Reply::accepted);
    server.look(|state| state.nameless = 3);
    let settle = ["--settle", &server.origin(), "--entity", "orders", "--requests", "1"];
    let output = command(&server, &settle);
    assert_eq!(output.status.code(), Some(2));
    let expected = format!(
        "service-bus-load: {}/$emulator/stored?entity=orders: \
         4 are stored, the messages add up to 1",
        server.origin()
    );
    assert_eq!(errors(&output), [expected]);
}
