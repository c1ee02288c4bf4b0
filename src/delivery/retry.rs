//! Whether and when a send is made again.

use std::time::Duration;

use fastrand::Rng;

use crate::delivery::RetryConfig;

/// As Envoy's retry budget: so many may always be repeated.
const ALWAYS: usize = 3;

impl RetryConfig {
    /// The wait before repetition `repetition`, from 1, with full jitter: anything up to a bound
    /// that doubles, but not less than what the broker has asked for.
    pub(super) fn wait(
        &self,
        repetition: u32,
        retry_after: Option<Duration>,
        rng: &mut Rng,
    ) -> Duration {
        let factor = 1_u32.checked_shl(repetition.saturating_sub(1)).unwrap_or(u32::MAX);
        let bound = self.base.saturating_mul(factor).min(self.cap);
        let bound = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
        let wait = Duration::from_micros(rng.u64(0..=bound));
        wait.max(retry_after.unwrap_or_default())
    }

    /// Whether one more of `callouts` may be a repetition, when `repeated` are.
    pub(super) fn affords(&self, repeated: usize, callouts: usize) -> bool {
        let share = callouts.saturating_mul(self.budget_percent) / 100;
        let most = if self.budget_percent == 0 { 0 } else { share.max(ALWAYS) };
        repeated < most
    }
}

/// What a worker may still repeat, whatever is in flight. Each first send adds its share and each
/// repetition takes one, so that a fleet of workers with one message each is bound as a single
/// worker with all of them would be.
#[derive(Debug)]
pub(super) struct Savings {
    /// In hundredths of a repetition.
    hundredths: usize,
}

impl Savings {
    /// What a worker has before it has sent anything.
    const AT_FIRST: usize = 10 * 100;
    /// For the callouts that one fault of a moment may end together.
    const MOST: usize = 100 * 100;

    pub(super) const fn new() -> Self {
        Self { hundredths: Self::AT_FIRST }
    }

    /// A callout leaves for the first time.
    pub(super) fn sent(&mut self, config: &RetryConfig) {
        self.hundredths = (self.hundredths + config.budget_percent).min(Self::MOST);
    }

    pub(super) const fn afford(&self) -> bool {
        self.hundredths >= 100
    }

    /// A callout will be repeated.
    pub(super) const fn repeated(&mut self) {
        self.hundredths = self.hundredths.saturating_sub(100);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_random_below_a_bound_that_doubles() {
        let millis = Duration::from_millis;
        let config = RetryConfig { base: millis(100), cap: millis(350), ..RetryConfig::default() };
        let mut rng = Rng::with_seed(7);
        for (repetition, bound) in [(1, 100), (2, 200), (3, 350), (4, 350), (200, 350)] {
            let waits: Vec<_> = (0..500).map(|_| config.wait(repetition, None, &mut rng)).collect();
            let bound = millis(bound);
            assert!(waits.iter().all(|wait| *wait <= bound), "{repetition}");
            assert!(waits.iter().any(|wait| *wait < bound / 10), "{repetition}");
            assert!(waits.iter().any(|wait| *wait > bound * 9 / 10), "{repetition}");
            let retry_after = Duration::from_secs(2);
            assert_eq!(config.wait(repetition, Some(retry_after), &mut rng), retry_after);
        }
    }

    #[test]
    fn a_worker_repeats_a_share_of_what_it_sends() {
        let config = RetryConfig { budget_percent: 20, ..RetryConfig::default() };
        let mut savings = Savings::new();
        let mut repetitions = 0;
        for _ in 0..1000 {
            savings.sent(&config);
            for _ in 0..3 {
                if savings.afford() {
                    savings.repeated();
                    repetitions += 1;
                }
            }
        }
        assert_eq!(repetitions, 10 + 1000 / 5);
        for _ in 0..10_000 {
            savings.sent(&config);
        }
        assert_eq!(savings.hundredths, Savings::MOST);
    }

    #[test]
    fn a_few_may_always_be_repeated_unless_none_may() {
        // Percent, repeated already, callouts.
        let affordable = [(20, 2, 0), (20, 2, 15), (20, 19, 100), (100, 9, 10)];
        let too_dear = [(20, 3, 0), (20, 3, 19), (20, 20, 100), (0, 0, 100), (100, 10, 10)];
        for (table, expected) in [(&affordable[..], true), (&too_dear, false)] {
            for (budget_percent, repeated, callouts) in table {
                let budget_percent = *budget_percent;
                let config = RetryConfig { budget_percent, ..RetryConfig::default() };
                assert_eq!(config.affords(*repeated, *callouts), expected, "{budget_percent}");
            }
        }
    }
}
