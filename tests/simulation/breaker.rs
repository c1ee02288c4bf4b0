//! The law of the circuit breaker, seen from outside: what leaves, how it ends, what is told.

use std::time::Duration;

use envoy_service_bus::delivery::AttemptId;
use envoy_service_bus::delivery::DeliveryConfig;

/// A callout of one of the workers.
pub(crate) type By = (usize, AttemptId);

/// What the breaker of a way must be like.
#[derive(Debug)]
pub(crate) struct Breaker {
    failures: u32,
    open_for: Duration,
    probe_time: Duration,
    phase: Phase,
    /// Begins anew whenever earlier results no longer count.
    epoch: u32,
    /// Failures in a row, when each success counts; a worker that sees no failures reports none.
    least: u32,
    /// Failures, when no success counts.
    most: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Closed,
    Open { since: Duration, span: Duration },
    Probing { since: Duration, by: By, healthy: Option<bool>, perhaps: bool },
}

impl Breaker {
    pub(crate) fn new(config: &DeliveryConfig) -> Option<Self> {
        let breaker = config.circuit_breaker?;
        Some(Self {
            failures: breaker.failures,
            open_for: breaker.open_for,
            probe_time: config.attempt_timeout + Duration::from_secs(2),
            phase: Phase::Closed,
            epoch: 0,
            least: 0,
            most: 0,
        })
    }

    /// A send leaves. The epoch that it belongs to.
    pub(crate) fn sent(&mut self, by: By, now: Duration) -> u32 {
        let probe = Phase::Probing { since: whole_millis(now), by, healthy: None, perhaps: false };
        match self.phase {
            Phase::Closed => {}
            Phase::Open { since, span } => {
                assert!(is_over(since, span, now), "a send to an open breaker: {self:?}");
                self.phase = probe;
            }
            Phase::Probing { since, .. } => {
                assert!(is_over(since, self.probe_time, now), "a second probe: {self:?}");
                self.epoch += 1;
                self.phase = probe;
            }
        }
        self.epoch
    }

    /// A send has ended, and the worker has been told so.
    pub(crate) fn ended(&mut self, by: By, epoch: u32, healthy: bool) {
        let least = if healthy { 0 } else { self.least + u32::from(epoch == self.epoch) };
        self.perhaps_ended(by, epoch, healthy);
        self.least = least;
        if let Phase::Probing { by: prober, perhaps, .. } = &mut self.phase
            && *prober == by
        {
            *perhaps = false;
        }
    }

    /// A send has ended, and the worker may already have given it up, which says nothing.
    pub(crate) fn perhaps_ended(&mut self, by: By, epoch: u32, was_healthy: bool) {
        if was_healthy {
            self.least = 0;
        } else if epoch == self.epoch {
            self.most += 1;
        }
        if let Phase::Probing { by: prober, healthy, perhaps, .. } = &mut self.phase
            && *prober == by
        {
            (*healthy, *perhaps) = (Some(was_healthy), true);
        }
    }

    /// Envoy has not sent it: that says nothing, and the next may probe.
    pub(crate) fn not_sent(&mut self, by: By, now: Duration) {
        if let Phase::Probing { by: prober, .. } = self.phase
            && prober == by
        {
            self.phase = Phase::Open { since: now, span: Duration::ZERO };
        }
    }

    /// A worker says that it has opened.
    pub(crate) fn opened(&mut self, now: Duration) {
        match self.phase {
            Phase::Closed => assert!(self.most >= self.failures, "opened too early: {self:?}"),
            Phase::Open { .. } => panic!("opened twice: {self:?}"),
            Phase::Probing { healthy, .. } => {
                assert_eq!(healthy, Some(false), "opened without a probe's failure: {self:?}");
            }
        }
        self.begin(Phase::Open { since: whole_millis(now), span: self.open_for });
    }

    /// A worker says that it has closed.
    pub(crate) fn closed(&mut self) {
        let Phase::Probing { healthy, .. } = self.phase else {
            panic!("closed without a probe: {self:?}")
        };
        assert_eq!(healthy, Some(true), "closed without a probe's success: {self:?}");
        self.begin(Phase::Closed);
    }

    /// A client is told that it is open, and when to come again.
    pub(crate) fn refused(&self, retry_after: Option<u32>, now: Duration) {
        let (since, span) = match self.phase {
            Phase::Closed => panic!("refused by a closed breaker: {self:?}"),
            Phase::Open { since, span } => (since, span),
            Phase::Probing { since, .. } => (since, self.probe_time),
        };
        assert!(!is_over(since, span, now), "refused when the time is over: {self:?}");
        let left = match self.phase {
            Phase::Open { .. } => span - now.saturating_sub(since),
            // Soon it will be known.
            _ => Duration::ZERO,
        };
        let seconds = left.as_millis().div_ceil(1000).max(1);
        assert_eq!(retry_after.map(u128::from), Some(seconds), "{self:?}");
    }

    fn begin(&mut self, phase: Phase) {
        (self.phase, self.epoch, self.least, self.most) = (phase, self.epoch + 1, 0, 0);
    }

    /// All that an event leads to has been done.
    pub(crate) fn rest(&self) {
        let late = self.phase == Phase::Closed && self.least >= self.failures;
        assert!(!late, "not opened: {self:?}");
        if let Phase::Probing { healthy: Some(_), perhaps: false, .. } = self.phase {
            panic!("the probe has not decided: {self:?}");
        }
    }
}

/// Workers tell each other milliseconds.
fn whole_millis(now: Duration) -> Duration {
    Duration::from_millis(u64::try_from(now.as_millis()).unwrap())
}

fn is_over(since: Duration, span: Duration, now: Duration) -> bool {
    now.saturating_sub(since) >= span
}
