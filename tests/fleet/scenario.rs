//! What a fleet goes through.

use std::time::Duration;

/// What is wrong for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nobody can connect.
    Outage,
    /// Every second callout takes seconds.
    SlowHalf,
}

/// What a client does that was told 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// It gives up.
    Once,
    /// It sends again, with the same `Idempotency-Key`, when `Retry-After` says so.
    WithKey,
    /// It sends again, as something new.
    WithoutKey,
}

/// A fleet, its load and its trouble.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) envoys: usize,
    pub(crate) workers_of_each: usize,
    /// Requests of clients in a second, whole fleet; repetitions come on top.
    pub(crate) requests_per_second: u32,
    pub(crate) credits_per_second: u32,
    pub(crate) trouble: Option<Trouble>,
    pub(crate) client: Client,
    pub(crate) has_fallback: bool,
    pub(crate) is_batch: bool,
}

/// When trouble begins, when it ends, and when clients stop.
pub(crate) const TROUBLE_FROM: Duration = Duration::from_secs(30);
pub(crate) const TROUBLE_TO: Duration = Duration::from_secs(90);
pub(crate) const LOAD_TO: Duration = Duration::from_secs(150);

const WELL: Scenario = Scenario {
    name: "",
    envoys: 10,
    workers_of_each: 4,
    requests_per_second: 200,
    credits_per_second: 500,
    trouble: None,
    client: Client::WithKey,
    has_fallback: false,
    is_batch: false,
};

const OUTAGE: Scenario = Scenario { trouble: Some(Trouble::Outage), ..WELL };

/// All that are run.
pub(crate) const SCENARIOS: [Scenario; 10] = [
    Scenario { name: "one worker, well", envoys: 1, workers_of_each: 1, ..WELL },
    Scenario { name: "outage, 1 worker", envoys: 1, workers_of_each: 1, ..OUTAGE },
    Scenario { name: "outage, 40 workers", ..OUTAGE },
    Scenario { name: "outage, 1000 workers", envoys: 100, workers_of_each: 10, ..OUTAGE },
    Scenario { name: "outage, keys missing", client: Client::WithoutKey, ..OUTAGE },
    Scenario { name: "outage, fallback", has_fallback: true, ..OUTAGE },
    Scenario { name: "outage, batches", is_batch: true, ..OUTAGE },
    Scenario { name: "slow half, 40 workers", trouble: Some(Trouble::SlowHalf), ..WELL },
    Scenario { name: "overload, 40 workers", requests_per_second: 750, ..WELL },
    Scenario {
        name: "overload, 1000 workers",
        envoys: 100,
        workers_of_each: 10,
        requests_per_second: 750,
        ..WELL
    },
];

impl Scenario {
    pub(crate) fn is_troubled(&self, now: Duration) -> bool {
        self.trouble.is_some() && (TROUBLE_FROM..TROUBLE_TO).contains(&now)
    }

    /// Whether more is asked of the broker than it can do, for the middle of the run alone: then
    /// the load falls, and goodput must come back by itself.
    pub(crate) const fn is_overload(&self) -> bool {
        self.requests_per_second > self.credits_per_second
    }

    /// Requests of clients in a second at some time.
    pub(crate) fn rate(&self, now: Duration) -> u32 {
        let calm = self.credits_per_second * 2 / 5;
        if self.is_overload() && !(TROUBLE_FROM..TROUBLE_TO).contains(&now) {
            return calm;
        }
        self.requests_per_second
    }
}
