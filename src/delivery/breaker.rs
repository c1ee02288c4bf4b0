//! The circuit breaker of a namespace, by its cluster: after failures in a row nothing is
//! sent for a while, then one probe decides. All workers share its state.

use std::time::Duration;

use crate::delivery::BreakerConfig;
use crate::route::Destination;
use crate::shared::{self, Shared};

/// One worker's hand on the breaker.
#[derive(Debug)]
pub(super) struct Breaker {
    key: String,
    config: BreakerConfig,
    /// A probe that has not reported by then is lost, with its worker perhaps.
    probe_time: Duration,
    /// Whether this worker has last seen failures; a success need not be told of otherwise.
    failing: bool,
}

/// Leave to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Permit {
    epoch: u32,
    probe: bool,
}

/// Whether a send may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Admitted(Permit),
    /// For so long.
    Refused(Duration),
}

/// What the end of a send says about the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Success,
    Failure,
    /// Nothing: the broker was not asked.
    None,
}

/// What a result has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Opened,
    Closed,
}

/// What the workers share. Each opening and closing begins an epoch, so that a result of before
/// says nothing about after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    epoch: u32,
    phase: Phase,
}

/// Times are the monotonic clock's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Closed { failures: u32 },
    Open { until: Duration },
    Probing { until: Duration },
}

/// How often a state is looked at anew when other workers were faster.
const TRIES: usize = 16;
/// What others wait while a probe is in flight.
const WHILE_PROBING: Duration = Duration::from_secs(1);

impl Breaker {
    pub(super) fn new(
        destination: &Destination,
        config: BreakerConfig,
        attempt_timeout: Duration,
    ) -> Self {
        let Destination { namespace, cluster, .. } = destination;
        Self {
            key: shared::key("breaker", &format!("{namespace}/{cluster}")),
            config,
            probe_time: attempt_timeout.saturating_add(Duration::from_secs(2)),
            failing: false,
        }
    }

    /// Asks whether a send may be made, which then is to be reported.
    pub(super) fn enter(&mut self, now: Duration, shared: &dyn Shared) -> Admission {
        for _ in 0..TRIES {
            let (State { epoch, phase }, version) = self.load(shared);
            self.failing = phase != Phase::Closed { failures: 0 };
            let next_epoch = match phase {
                Phase::Closed { .. } => return Admission::Admitted(Permit { epoch, probe: false }),
                Phase::Open { until } if now < until => {
                    return Admission::Refused(until.saturating_sub(now));
                }
                Phase::Open { .. } => epoch,
                Phase::Probing { until } if now < until => {
                    return Admission::Refused(WHILE_PROBING);
                }
                // What the lost probe may still report is of another epoch.
                Phase::Probing { .. } => epoch.wrapping_add(1),
            };
            let until = now.saturating_add(self.probe_time);
            let probing = State { epoch: next_epoch, phase: Phase::Probing { until } };
            if self.store(probing, version, shared) {
                return Admission::Admitted(Permit { epoch: next_epoch, probe: true });
            }
        }
        Admission::Refused(WHILE_PROBING)
    }

    /// Reports how a send has ended.
    pub(super) fn report(
        &mut self,
        permit: Permit,
        signal: Signal,
        now: Duration,
        shared: &dyn Shared,
    ) -> Option<Change> {
        if signal == Signal::Success && !self.failing {
            return None;
        }
        for _ in 0..TRIES {
            let (state, version) = self.load(shared);
            let (phase, change) = self.after(state, permit, signal, now)?;
            let epoch = state.epoch.wrapping_add(u32::from(change.is_some()));
            if self.store(State { epoch, phase }, version, shared) {
                self.failing = phase != Phase::Closed { failures: 0 };
                return change;
            }
        }
        None
    }

    /// The phase after a result, `None` when it changes nothing.
    fn after(
        &self,
        State { epoch, phase }: State,
        permit: Permit,
        signal: Signal,
        now: Duration,
    ) -> Option<(Phase, Option<Change>)> {
        if permit.epoch != epoch {
            return None;
        }
        match (phase, signal) {
            (Phase::Closed { failures: 0 }, Signal::Success)
            | (Phase::Closed { .. }, Signal::None)
            | (Phase::Open { .. }, _) => None,
            (Phase::Closed { .. }, Signal::Success) => Some((Phase::Closed { failures: 0 }, None)),
            (Phase::Closed { failures }, Signal::Failure)
                if failures + 1 < self.config.failures =>
            {
                Some((Phase::Closed { failures: failures + 1 }, None))
            }
            (Phase::Probing { .. }, _) if !permit.probe => None,
            (Phase::Probing { .. }, Signal::Success) => {
                Some((Phase::Closed { failures: 0 }, Some(Change::Closed)))
            }
            // The next one to come is the probe.
            (Phase::Probing { .. }, Signal::None) => Some((Phase::Open { until: now }, None)),
            (Phase::Closed { .. } | Phase::Probing { .. }, Signal::Failure) => {
                let until = now.saturating_add(self.config.open_for);
                Some((Phase::Open { until }, Some(Change::Opened)))
            }
        }
    }

    fn load(&self, shared: &dyn Shared) -> (State, Option<u32>) {
        match shared.load(&self.key) {
            Some((bytes, version)) => (State::decode(&bytes), Some(version)),
            None => (State::START, None),
        }
    }

    fn store(&self, state: State, version: Option<u32>, shared: &dyn Shared) -> bool {
        shared.store(&self.key, &state.encode(), version)
    }
}

impl State {
    const START: Self = Self { epoch: 0, phase: Phase::Closed { failures: 0 } };

    /// Epoch, phase and its value, in 13 bytes.
    fn encode(self) -> Vec<u8> {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (tag, value) = match self.phase {
            Phase::Closed { failures } => (0, u64::from(failures)),
            Phase::Open { until } => (1, millis(until)),
            Phase::Probing { until } => (2, millis(until)),
        };
        let mut bytes = Vec::with_capacity(13);
        bytes.extend(self.epoch.to_le_bytes());
        bytes.push(tag);
        bytes.extend(value.to_le_bytes());
        bytes
    }

    /// What nobody here has written counts as the start.
    fn decode(bytes: &[u8]) -> Self {
        let read = || {
            let (epoch, rest) = bytes.split_first_chunk::<4>()?;
            let (tag, value) = rest.split_first()?;
            let value = u64::from_le_bytes(value.try_into().ok()?);
            let until = Duration::from_millis(value);
            let phase = match tag {
                0 => Phase::Closed { failures: u32::try_from(value).ok()? },
                1 => Phase::Open { until },
                2 => Phase::Probing { until },
                _ => return None,
            };
            Some(Self { epoch: u32::from_le_bytes(*epoch), phase })
        };
        read().unwrap_or(Self::START)
    }
}
