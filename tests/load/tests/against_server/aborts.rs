//! Clients that go away, as the server sees them and as they are booked.

use std::collections::BTreeSet;
use std::time::Duration;

use service_bus_load::book::{Entry, Outcome};
use service_bus_load::plan::{Moment, Plan};

use crate::answers::load;
use crate::server::{Received, Reply, Server};

/// What the arguments below plan.
fn plan(abort_within: Duration) -> Plan {
    Plan {
        seed: 7,
        abort_percent: 100.0,
        abort_within,
        body_bytes: 50..=4096,
        chunked_percent: 30.0,
        duplicate_percent: 0.0,
    }
}

const ABORTS: [&str; 8] =
    ["--seed", "7", "--requests", "300", "--abort-percent", "100", "--chunked-percent", "30"];

#[tokio::test]
async fn the_book_says_of_each_abort_whether_the_server_has_the_whole_request() {
    let hour = Duration::from_secs(3600);
    let server = Server::start(move |key| Reply { after: hour, ..Reply::accepted(key) });
    let entries = load(&server, &[&ABORTS[..], &["--abort-within", "5ms"]].concat()).await;
    assert!(entries.iter().all(|e| e.outcome == Outcome::Aborted && e.wrong.is_none()));

    // Each has a connection, and the server keeps those that brought a whole request.
    server.wait_until(|state| state.ended + state.whole.len() == entries.len());
    let (whole, broken_off) = server.look(|state| {
        let whole: BTreeSet<_> = state.whole.iter().map(|it| it.key.clone()).collect();
        (whole, state.broken_off.iter().cloned().collect::<BTreeSet<_>>())
    });
    let not_sent = entries.iter().filter(|entry| !entry.sent).map(|entry| entry.key.to_string());
    assert_eq!(not_sent.filter(|key| whole.contains(key)).collect::<Vec<_>>(), [""; 0]);
    let missing = |expected: BTreeSet<String>, found: &BTreeSet<String>| -> Vec<String> {
        assert!(expected.len() > 30, "{} requests", expected.len());
        expected.difference(found).cloned().collect()
    };
    assert_eq!(missing(orderly(&entries, true), &whole), [""; 0]);
    assert_eq!(missing(orderly(&entries, false), &broken_off), [""; 0]);
}

/// Keys of requests, sent whole or not, whose connection was closed without a reset:
/// a reset may take with it what the server has not read.
fn orderly(entries: &[Entry], sent: bool) -> BTreeSet<String> {
    let plan = plan(Duration::from_millis(5));
    let orderly = |entry: &&Entry| plan.request(entry.n).abort.is_some_and(|abort| !abort.reset);
    let keys = entries.iter().filter(|entry| entry.sent == sent).filter(orderly);
    keys.map(|entry| entry.key.to_string()).collect()
}

#[tokio::test]
async fn an_answer_before_the_client_goes_away_is_booked_as_an_answer() {
    let refused = |key: &str| Reply::problem(413, "payload_too_large", "", key);
    let server = Server::start(move |key| Reply { at_head: true, ..refused(key) });
    let entries = load(&server, &[&ABORTS[..], &["--abort-within", "1h"]].concat()).await;
    let plan = plan(Duration::from_secs(3600));
    for entry in &entries {
        let expected = match plan.request(entry.n).abort.unwrap().moment {
            Moment::Sent => (Outcome::Aborted, true),
            Moment::Sending { .. } => (Outcome::Answered(413), false),
            Moment::Waiting(_) => (Outcome::Answered(413), true),
        };
        assert_eq!((entry.outcome, entry.sent), expected, "{}", entry.key);
        assert_eq!(entry.wrong, None);
    }
    assert_eq!(entries.len(), 300);
}

#[tokio::test]
async fn a_share_of_aborts_leaves_the_other_requests_alone() {
    let server = Server::start(Reply::accepted);
    let args = ["--requests", "3000", "--abort-percent", "20", "--abort-within", "500us"];
    let entries = load(&server, &args).await;
    let count = |outcome| entries.iter().filter(|entry| entry.outcome == outcome).count();
    let (accepted, aborted) = (count(Outcome::Answered(202)), count(Outcome::Aborted));
    assert_eq!(accepted + aborted, 3000);
    assert!(aborted > 300 && accepted >= 2300, "{aborted} aborted, {accepted} accepted");
    assert!(entries.iter().all(|entry| entry.wrong.is_none()));
}

#[tokio::test]
async fn a_seed_replays_to_the_same_bytes() {
    async fn received(seed: &str) -> Vec<Received> {
        let server = Server::start(Reply::accepted);
        let args = ["--requests", "200", "--connections", "8", "--chunked-percent", "40"];
        let more = ["--duplicate-percent", "10", "--seed", seed];
        load(&server, &[&args[..], &more].concat()).await;
        let mut received = server.look(|state| std::mem::take(&mut state.whole));
        received.sort();
        received
    }
    let first = received("3").await;
    assert_eq!(first, received("3").await);
    assert_ne!(first, received("4").await);
    assert!(first.iter().any(|it| it.chunked) && first.iter().any(|it| !it.chunked));
    assert!(first.iter().all(|it| (50..=4096).contains(&it.body.len())));
    let keys: BTreeSet<_> = first.iter().map(|it| &it.key).collect();
    assert!((150..200).contains(&keys.len()), "{} keys", keys.len());
}
