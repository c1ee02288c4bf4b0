//! What a run has shown, second by second and as a whole.

use std::time::Duration;

use super::scenario::{Scenario, TROUBLE_FROM, TROUBLE_TO};

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Second {
    pub(crate) asked: u64,
    pub(crate) accepted: u64,
    pub(crate) sent: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) scenario: Scenario,
    pub(crate) seconds: Vec<Second>,
    /// Requests, repetitions of clients included.
    pub(crate) submissions: u64,
    /// Messages in callouts.
    pub(crate) sent: u64,
    pub(crate) failed: u64,
    /// Requests whose clients were never told 202.
    pub(crate) given_up: u64,
    pub(crate) stored: u64,
    pub(crate) duplicates: u64,
    pub(crate) most_held: usize,
}

impl Report {
    pub(crate) fn new(scenario: Scenario) -> Self {
        Self {
            scenario,
            seconds: vec![],
            submissions: 0,
            sent: 0,
            failed: 0,
            given_up: 0,
            stored: 0,
            duplicates: 0,
            most_held: 0,
        }
    }

    fn second(&mut self, now: Duration) -> &mut Second {
        let index = usize::try_from(now.as_secs()).unwrap_or(usize::MAX);
        if self.seconds.len() <= index {
            self.seconds.resize(index + 1, Second::default());
        }
        &mut self.seconds[index]
    }

    pub(crate) fn asked(&mut self, now: Duration) {
        self.second(now).asked += 1;
    }

    pub(crate) fn accepted(&mut self, now: Duration) {
        self.second(now).accepted += 1;
    }

    pub(crate) fn sent(&mut self, now: Duration, messages: usize) {
        self.sent += messages as u64;
        self.second(now).sent += messages as u64;
    }

    pub(crate) fn held(&mut self, bytes: usize) {
        self.most_held = self.most_held.max(bytes);
    }

    /// Callouts' messages for each that was stored.
    pub(crate) fn sends_per_stored(&self) -> f64 {
        self.sent as f64 / (self.stored.max(1) as f64)
    }

    /// Callouts' messages for each request of a client, its own repetitions among them.
    pub(crate) fn sends_per_request(&self) -> f64 {
        self.sent as f64 / (self.submissions.max(1) as f64)
    }

    /// Accepted requests in a second, the middle of a span.
    fn goodput(&self, from: u64, to: u64) -> f64 {
        let span = self.seconds.get(from as usize..to as usize).unwrap_or_default();
        let accepted: u64 = span.iter().map(|second| second.accepted).sum();
        accepted as f64 / (span.len().max(1) as f64)
    }

    /// Seconds from the end of the trouble until goodput is 99 % of what it was before.
    pub(crate) fn recovery(&self) -> Option<u64> {
        const WINDOW: u64 = 5;
        let before = self.goodput(5, TROUBLE_FROM.as_secs());
        let end = TROUBLE_TO.as_secs();
        // Of a Poisson process a window of some seconds varies by itself.
        let noise = 3.0 * (before / WINDOW as f64).sqrt();
        (0..50).find(|after| {
            let from = end + after;
            self.goodput(from, from + WINDOW) >= before * 0.99 - noise
        })
    }
}
