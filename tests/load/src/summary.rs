//! A run in numbers.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::book::{Entry, Outcome};
use crate::run::Run;

/// The numbers, as printed.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Replays the run.
    pub seed: u64,
    /// Requests begun.
    pub requests: usize,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Answers by reason.
    pub reasons: BTreeMap<String, u64>,
    /// Requests whose client went away on purpose.
    pub aborted: u64,
    /// Requests whose connection was lost.
    pub connection_lost: u64,
    /// Requests without an answer in time.
    pub timeout: u64,
    /// Answers that break the contract.
    pub wrong: u64,
    /// How long it took.
    pub duration_seconds: f64,
    /// Requests of any outcome per second.
    pub requests_per_second: f64,
    /// Time to the whole answer, if any came.
    pub latency_us: Option<Latency>,
    /// The broker's books beside ours, if they were compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settlement: Option<Settlement>,
}

/// Times to the whole answer in microseconds.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// Half of the answers took no longer.
    pub p50: u64,
    /// Nine in ten took no longer.
    pub p90: u64,
    /// 99 in a hundred took no longer.
    pub p99: u64,
    /// None took longer.
    pub max: u64,
}

/// The broker's books beside ours.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Settlement {
    /// The queue or topic.
    pub entities: Vec<String>,
    /// Messages in the broker's book.
    pub stored: u64,
    /// Messages that duplicate detection dropped.
    pub duplicates: u64,
    /// Keys for which the books disagree.
    pub violations: usize,
}

impl Summary {
    /// The numbers of a run.
    pub fn new(seed: u64, run: &Run) -> Self {
        let seconds = run.duration.as_secs_f64();
        let mut summary = Self {
            seed,
            requests: run.entries.len(),
            statuses: BTreeMap::new(),
            reasons: BTreeMap::new(),
            aborted: 0,
            connection_lost: 0,
            timeout: 0,
            wrong: 0,
            duration_seconds: seconds,
            requests_per_second: per_second(run.entries.len(), seconds),
            latency_us: latency(&run.entries),
            settlement: None,
        };
        for entry in &run.entries {
            summary.count(entry);
        }
        summary
    }

    fn count(&mut self, entry: &Entry) {
        match entry.outcome {
            Outcome::Aborted => self.aborted += 1,
            Outcome::Answered(status) => *self.statuses.entry(status).or_default() += 1,
            Outcome::ConnectionLost => self.connection_lost += 1,
            Outcome::Timeout => self.timeout += 1,
        }
        if let Some(reason) = &entry.reason {
            *self.reasons.entry(reason.to_string()).or_default() += 1;
        }
        self.wrong += u64::from(entry.wrong.is_some());
    }
}

fn per_second(requests: usize, seconds: f64) -> f64 {
    if seconds > 0.0 { (requests as f64 / seconds).round() } else { 0.0 }
}

fn latency(entries: &[Entry]) -> Option<Latency> {
    let mut times: Vec<u64> = entries
        .iter()
        .filter(|entry| matches!(entry.outcome, Outcome::Answered(_)))
        .map(|entry| entry.micros)
        .collect();
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() * percent).div_ceil(100).max(1) - 1).copied();
    Some(Latency { p50: at(50)?, p90: at(90)?, p99: at(99)?, max: at(100)? })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::Key;

    fn entry(outcome: Outcome, micros: u64) -> Entry {
        Entry {
            n: 0,
            key: Key { seed: 1, n: 0 },
            outcome,
            sent: true,
            micros,
            reason: None,
            wrong: None,
            detail: None,
        }
    }

    #[test]
    fn everything_is_counted_where_it_belongs() {
        let entries = vec![
            entry(Outcome::Answered(202), 10),
            entry(Outcome::Answered(202), 30),
            Entry {
                reason: Some("throttled".into()),
                wrong: Some("no x-tracking-id".into()),
                ..entry(Outcome::Answered(503), 20)
            },
            entry(Outcome::Aborted, 1),
            entry(Outcome::ConnectionLost, 1),
            entry(Outcome::Timeout, 9_000_000),
        ];
        let run = Run { entries, duration: Duration::from_secs(2) };
        assert_eq!(
            serde_json::to_string(&Summary::new(4, &run)).unwrap(),
            concat!(
                r#"{"seed":4,"requests":6,"statuses":{"202":2,"503":1},"#,
                r#""reasons":{"throttled":1},"aborted":1,"connection_lost":1,"timeout":1,"#,
                r#""wrong":1,"duration_seconds":2.0,"requests_per_second":3.0,"#,
                r#""latency_us":{"p50":20,"p90":30,"p99":30,"max":30}}"#
            )
        );
    }

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let entries: Vec<_> = (1..=200).map(|us| entry(Outcome::Answered(202), us)).collect();
        let expected = Latency { p50: 100, p90: 180, p99: 198, max: 200 };
        assert_eq!(latency(&entries), Some(expected));
        assert_eq!(latency(&[entry(Outcome::Aborted, 1)]), None);
    }
}
