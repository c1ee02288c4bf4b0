//! The command as a test or a soak run calls it.

use std::process::{Command, Output};

use serde_json::Value;

use crate::server::{Reply, Server};

pub(crate) fn command(server: &Server, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_service-bus-load"))
        .args(["--url", &server.url(), "--connections", "4"])
        .args(args)
        .output()
        .unwrap()
}

pub(crate) fn errors(output: &Output) -> Vec<&str> {
    std::str::from_utf8(&output.stderr).unwrap().lines().collect()
}

pub(crate) fn summary(output: &Output) -> Value {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_good_run_ends_well_with_a_summary_and_a_book() {
    let server = Server::start(|key| match key.ends_with('3') {
        true => Reply::problem(503, "overloaded", "retry-after: 1\r\n", key),
        false => Reply::accepted(key),
    });
    let book = concat!(env!("CARGO_TARGET_TMPDIR"), "/good-run.jsonl");
    let output = command(&server, &["--requests", "100", "--book", book, "--seed", "5"]);
    assert_eq!((output.status.code(), errors(&output)), (Some(0), vec![]));
    let summary = summary(&output);
    for (name, expected) in [
        ("/seed", 5),
        ("/requests", 100),
        ("/statuses/202", 90),
        ("/statuses/503", 10),
        ("/reasons/overloaded", 10),
        ("/aborted", 0),
        ("/connection_lost", 0),
        ("/timeout", 0),
        ("/wrong", 0),
    ] {
        assert_eq!(summary.pointer(name), Some(&Value::from(expected)), "{name}");
    }
    for name in ["p50", "p90", "p99", "max"] {
        assert!(summary["latency_us"][name].as_u64().unwrap() > 0, "{name}");
    }
    let text = std::fs::read_to_string(book).unwrap();
    std::fs::remove_file(book).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 100);
    for (n, line) in lines.iter().enumerate() {
        assert_eq!(line["key"], format!("5-{n}"));
        assert_eq!(line["outcome"], if n % 10 == 3 { 503 } else { 202 });
        assert_eq!(line.get("reason").is_some(), n % 10 == 3);
        assert_eq!(line.get("wrong"), None);
    }
}

#[test]
fn wrong_answers_end_the_command_with_one_and_the_first_twenty() {
    let server = Server::start(|_| Reply::accepted("1-0"));
    let output = command(&server, &["--requests", "26"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(summary(&output)["wrong"], 25);
    let errors = errors(&output);
    assert_eq!(errors.len(), 21);
    assert_eq!(errors[0], "wrong answer: 1-1 (202): x-tracking-id is 1-0, not 1-1");
    assert_eq!(errors[20], "wrong answer: and 5 more");
}

#[test]
fn a_run_that_reaches_nobody_proves_nothing() {
    let server = Server::start(|_| Reply { close: true, ..Reply::bytes("") });
    let output = command(&server, &["--requests", "10"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(errors(&output), ["no request was answered"]);
    assert_eq!(summary(&output)["connection_lost"], 10);
    assert_eq!(summary(&output)["latency_us"], Value::Null);
}

#[test]
fn a_header_that_frames_the_request_is_refused() {
    let server = Server::start(Reply::accepted);
    let output = command(&server, &["--requests", "1", "--header", "content-length:9"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        errors(&output),
        ["service-bus-load: the header content-length is written by the load generator"]
    );
    assert_eq!(server.look(|state| state.connected), 0);
}

#[test]
fn a_book_that_cannot_be_written_ends_the_command_before_the_load() {
    let server = Server::start(Reply::accepted);
    let book = concat!(env!("CARGO_TARGET_TMPDIR"), "/no-such-folder/book.jsonl");
    let output = command(&server, &["--requests", "1", "--book", book]);
    assert_eq!(output.status.code(), Some(2));
    let expected = format!("service-bus-load: {book}: No such file or directory (os error 2)");
    assert_eq!(errors(&output), [expected]);
    assert_eq!(server.look(|state| state.connected), 0);
}
