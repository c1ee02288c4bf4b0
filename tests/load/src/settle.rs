//! Balances the book with the broker's: what is stored must be what the
//! clients were told.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use crate::book::{Entry, Promise};
use crate::connection::{Broken, Connection};
use crate::target::Target;

/// A key for which the books disagree.
#[derive(Debug, PartialEq, Eq)]
pub struct Violation {
    /// The key, which is the message's id.
    pub key: String,
    /// What became of the requests with this key; empty if there were none.
    pub requests: Vec<String>,
    /// How many messages these allow.
    pub allowed: Allowed,
    /// How many are stored.
    pub stored: u64,
}

/// How many messages may be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// As many as were promised.
    pub least: u64,
    /// No limit if an outcome is in doubt and nothing finds duplicates.
    pub most: Option<u64>,
}

/// What the emulator says of a queue or topic.
#[derive(Debug, Default, Deserialize)]
pub struct Ledger {
    /// How often a message with that id was stored.
    pub messages: BTreeMap<String, u64>,
    /// All of them.
    pub stored: u64,
    /// Messages that duplicate detection dropped.
    pub duplicates: u64,
}

impl Ledger {
    /// Adds what another entity has stored.
    pub fn add(&mut self, other: Self) {
        for (id, stored) in other.messages {
            *self.messages.entry(id).or_default() += stored;
        }
        self.stored += other.stored;
        self.duplicates += other.duplicates;
    }
}

/// Finds every key for which the books disagree.
pub fn balance(
    entries: &[Entry],
    stored: &BTreeMap<String, u64>,
    duplicate_detection: bool,
) -> Vec<Violation> {
    let mut unclaimed = stored.clone();
    let mut by_key: Vec<&Entry> = entries.iter().collect();
    by_key.sort_by_key(|entry| (entry.key, entry.n));
    let mut violations: Vec<_> = by_key
        .chunk_by(|one, next| one.key == next.key)
        .filter_map(|requests| {
            let key = requests.first()?.key.to_string();
            let stored = unclaimed.remove(&key).unwrap_or(0);
            let allowed = allowed(requests, duplicate_detection);
            let requests = || requests.iter().map(|entry| entry.label()).collect();
            (!allowed.contains(stored)).then(|| Violation {
                key,
                requests: requests(),
                allowed,
                stored,
            })
        })
        .collect();
    violations.extend(unclaimed.into_iter().filter(|(_, stored)| *stored > 0).map(
        |(key, stored)| Violation {
            key,
            requests: Vec::new(),
            allowed: Allowed { least: 0, most: Some(0) },
            stored,
        },
    ));
    violations
}

fn allowed(requests: &[&Entry], duplicate_detection: bool) -> Allowed {
    let count = |promise| {
        requests.iter().filter(|entry| entry.promise() == promise).map(|_| 1).sum::<u64>()
    };
    let (stored, maybe) = (count(Promise::Stored), count(Promise::Maybe));
    if duplicate_detection {
        Allowed { least: stored.min(1), most: Some((stored + maybe).min(1)) }
    } else {
        Allowed { least: stored, most: (maybe == 0).then_some(stored) }
    }
}

impl Allowed {
    fn contains(self, stored: u64) -> bool {
        stored >= self.least && self.most.is_none_or(|most| stored <= most)
    }
}

/// Asks the emulator for an entity's ledger.
///
/// # Errors
///
/// The emulator cannot be reached, or answers something else.
pub async fn ledger(emulator: &Target, entity: &str) -> Result<Ledger, String> {
    let target = emulator.below(&format!("/$emulator/stored?entity={entity}"));
    let answer = fetch(&target).await.map_err(|error| format!("{target}: {error}"))?;
    let ledger: Ledger = serde_json::from_slice(&answer).map_err(|error| {
        let body = String::from_utf8_lossy(answer.get(..200).unwrap_or(&answer));
        format!("{target}: expected the messages with their counts, found {body}: {error}")
    })?;
    let sum: u64 = ledger.messages.values().sum();
    if sum != ledger.stored {
        let stored = ledger.stored;
        return Err(format!("{target}: {stored} are stored, the messages add up to {sum}"));
    }
    Ok(ledger)
}

async fn fetch(target: &Target) -> Result<Vec<u8>, String> {
    let mut connection =
        Connection::open(target.address).await.map_err(|error| error.to_string())?;
    let Target { path, authority, .. } = target;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n");
    connection.send(request.as_bytes()).await.map_err(|error| error.to_string())?;
    let answer = connection.answer(false).await.map_err(|broken| match broken {
        Broken::Lost(how) => how,
        Broken::Malformed(malformed) => malformed.to_string(),
    })?;
    match answer.status {
        200 => Ok(answer.body),
        status => Err(format!("status {status}: {}", String::from_utf8_lossy(&answer.body))),
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, requests, allowed, stored } = self;
        if requests.is_empty() {
            write!(f, "{key} (no request)")?;
        } else {
            write!(f, "{key} ({})", requests.join(", "))?;
        }
        write!(f, ": expected {allowed} stored, found {stored}")
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (least, None) => write!(f, "at least {least}"),
            (least, Some(most)) if least == most => write!(f, "{least}"),
            (least, Some(most)) => write!(f, "{least} to {most}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::Outcome;
    use crate::plan::Key;

    fn entry(key: u64, outcome: Outcome) -> Entry {
        Entry {
            n: key,
            key: Key { seed: 1, n: key },
            outcome,
            sent: true,
            micros: 0,
            reason: None,
            wrong: None,
            detail: None,
        }
    }

    fn problem(key: u64, reason: &'static str) -> Entry {
        Entry { reason: Some(reason.into()), ..entry(key, Outcome::Answered(503)) }
    }

    fn violations(entries: &[Entry], stored: &[(&str, u64)], detection: bool) -> Vec<String> {
        let stored = stored.iter().map(|(key, count)| ((*key).to_owned(), *count)).collect();
        balance(entries, &stored, detection).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn books_that_agree_have_no_violation() {
        let entries = [
            entry(0, Outcome::Answered(202)),
            problem(1, "throttled"),
            problem(2, "outcome_unknown"),
            problem(3, "outcome_unknown"),
            entry(4, Outcome::Aborted),
            entry(5, Outcome::Aborted),
            entry(6, Outcome::Timeout),
            entry(7, Outcome::ConnectionLost),
        ];
        let stored = [("1-0", 1), ("1-1", 0), ("1-2", 1), ("1-4", 1), ("1-6", 1)];
        assert_eq!(violations(&entries, &stored, true), [""; 0]);
        assert_eq!(violations(&entries, &stored, false), [""; 0]);
    }

    #[test]
    fn a_202_without_its_message_is_a_violation() {
        let entries = [entry(0, Outcome::Answered(202))];
        for detection in [true, false] {
            assert_eq!(
                violations(&entries, &[], detection),
                ["1-0 (202): expected 1 stored, found 0"]
            );
        }
    }

    #[test]
    fn a_202_with_two_messages_is_a_violation() {
        let entries = [entry(0, Outcome::Answered(202))];
        for detection in [true, false] {
            assert_eq!(
                violations(&entries, &[("1-0", 2)], detection),
                ["1-0 (202): expected 1 stored, found 2"]
            );
        }
    }

    #[test]
    fn a_message_that_was_refused_is_a_violation() {
        let entries = [problem(0, "throttled"), entry(1, Outcome::Answered(413))];
        assert_eq!(
            violations(&entries, &[("1-0", 1), ("1-1", 1)], true),
            [
                "1-0 (503 throttled): expected 0 stored, found 1",
                "1-1 (413): expected 0 stored, found 1"
            ]
        );
    }

    #[test]
    fn a_message_of_a_request_that_was_not_sent_whole_is_a_violation() {
        let entries = [Entry { sent: false, ..entry(0, Outcome::Aborted) }];
        assert_eq!(
            violations(&entries, &[("1-0", 1)], true),
            ["1-0 (aborted before it was sent whole): expected 0 stored, found 1"]
        );
    }

    #[test]
    fn a_doubtful_request_stored_twice_is_a_violation_of_duplicate_detection() {
        let entries = [problem(0, "broker_error")];
        assert_eq!(
            violations(&entries, &[("1-0", 2)], true),
            ["1-0 (503 broker_error): expected 0 to 1 stored, found 2"]
        );
        assert_eq!(violations(&entries, &[("1-0", 2)], false), [""; 0]);
    }

    #[test]
    fn a_message_without_a_request_is_a_violation() {
        assert_eq!(
            violations(&[], &[("x", 1)], true),
            ["x (no request): expected 0 stored, found 1"]
        );
    }

    #[test]
    fn a_repeated_key_is_balanced_over_all_its_requests() {
        let repeat = |n, entry| Entry { n, ..entry };
        let entries = [
            repeat(0, problem(0, "throttled")),
            repeat(5, entry(0, Outcome::Answered(202))),
            repeat(9, entry(0, Outcome::Answered(202))),
        ];
        assert_eq!(violations(&entries, &[("1-0", 1)], true), [""; 0]);
        assert_eq!(violations(&entries, &[("1-0", 2)], false), [""; 0]);
        assert_eq!(
            violations(&entries, &[("1-0", 2)], true),
            ["1-0 (503 throttled, 202, 202): expected 1 stored, found 2"]
        );
        assert_eq!(
            violations(&entries, &[("1-0", 1)], false),
            ["1-0 (503 throttled, 202, 202): expected 2 stored, found 1"]
        );
    }

    #[test]
    fn a_message_in_two_entities_is_a_violation() {
        let one =
            |id: &str| Ledger { messages: [(id.to_owned(), 1)].into(), stored: 1, duplicates: 2 };
        let mut all = one("1-0");
        all.add(one("1-0"));
        all.add(one("1-1"));
        assert_eq!((all.stored, all.duplicates), (3, 6));
        let entries = [entry(0, Outcome::Answered(202)), entry(1, Outcome::Answered(202))];
        let violations = balance(&entries, &all.messages, true);
        let expected = "1-0 (202): expected 1 stored, found 2";
        assert_eq!(violations.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    }

    #[test]
    fn a_promise_is_not_weakened_by_a_doubtful_repeat() {
        let entries =
            [entry(0, Outcome::Answered(202)), Entry { n: 5, ..entry(0, Outcome::Aborted) }];
        for (stored, detection, expected) in [
            (0, true, "1-0 (202, aborted): expected 1 stored, found 0"),
            (0, false, "1-0 (202, aborted): expected at least 1 stored, found 0"),
        ] {
            assert_eq!(violations(&entries, &[("1-0", stored)], detection), [expected]);
        }
    }
}
