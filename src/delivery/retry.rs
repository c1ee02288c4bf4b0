//! Whether and when a send is made again.

use std::time::Duration;

use fastrand::Rng;

use crate::config::RetryConfig;

/// As Envoy's retry budget: so many may always be repeated.
const ALWAYS: usize = 3;

impl RetryConfig {
    /// The wait before repetition `repetition`, from 1, with full jitter: anything up to a bound
    /// that doubles, but not less than what the broker has asked for.
    pub(super) fn wait(&self, repetition: u32, wish: Option<Duration>, rng: &mut Rng) -> Duration {
        let factor = 1_u32.checked_shl(repetition.saturating_sub(1)).unwrap_or(u32::MAX);
        let bound = self.base.saturating_mul(factor).min(self.cap);
        let bound = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
        let wait = Duration::from_micros(rng.u64(0..=bound));
        wait.max(wish.unwrap_or_default())
    }

    /// Whether one more of `callouts` may be a repetition, when `repeated` are.
    pub(super) fn affords(&self, repeated: usize, callouts: usize) -> bool {
        let share = callouts.saturating_mul(self.budget_percent) / 100;
        let most = if self.budget_percent == 0 { 0 } else { share.max(ALWAYS) };
        repeated < most
    }
}
