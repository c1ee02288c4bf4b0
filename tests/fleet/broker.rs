//! A namespace with a limit of throughput, as Azure describes the standard tier's: credits that come
//! anew each second, one for a message, and a refusal of all that is above.

use std::collections::HashSet;
use std::time::Duration;

use envoy_service_bus::http::Response;
use fastrand::Rng;

use super::common::delivery::{answer, answer_saying, not_connected};
use super::scenario::{Scenario, Trouble};

/// How long an answer takes when all is well.
const LATENCY: Duration = Duration::from_millis(20);
/// How long it takes in the slow half.
const SLOW: Duration = Duration::from_secs(7);
const THROTTLED: &str = "The request was terminated because the entity is being throttled. \
                         Error code: 50009. Please wait 2 seconds and try again.";

/// What a callout comes to: after how long, and with which answer.
pub(crate) type Timed = (Duration, Response);

#[derive(Debug, Default)]
pub(crate) struct Broker {
    second: u64,
    credits_used: u32,
    stored: HashSet<String>,
    /// Messages that were stored.
    pub(crate) messages: u64,
    /// Messages that came again and were dropped by their id.
    pub(crate) duplicates: u64,
}

impl Broker {
    pub(crate) fn callout(
        &mut self,
        scenario: &Scenario,
        is_primary: bool,
        ids: &[String],
        now: Duration,
        rng: &mut Rng,
    ) -> Timed {
        let trouble = scenario.trouble.filter(|_| is_primary && scenario.is_troubled(now));
        match trouble {
            Some(Trouble::Outage) => return (LATENCY, not_connected()),
            Some(Trouble::SlowHalf) if rng.bool() => return (SLOW, self.store(scenario, ids, now)),
            _ => {}
        }
        let jitter = Duration::from_micros(rng.u64(0..10_000));
        (LATENCY + jitter, self.store(scenario, ids, now))
    }

    fn store(&mut self, scenario: &Scenario, ids: &[String], now: Duration) -> Response {
        if self.second != now.as_secs() {
            self.second = now.as_secs();
            self.credits_used = 0;
        }
        let number = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        if self.credits_used + number > scenario.credits_per_second {
            // A refusal costs the broker something too.
            self.credits_used += 1;
            return answer_saying("503", THROTTLED);
        }
        self.credits_used += number;
        for id in ids {
            if self.stored.insert(id.clone()) {
                self.messages += 1;
            } else {
                self.duplicates += 1;
            }
        }
        answer("201")
    }
}
