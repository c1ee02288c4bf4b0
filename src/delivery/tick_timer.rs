//! When the host's timer is to fire: only while something waits, and set anew only when it would
//! fire too late.

use std::time::Duration;

/// A timer of the host's that fires once after it was set.
#[derive(Debug, Default)]
pub struct TickTimer {
    /// When it will fire, in delivery's time.
    next: Option<Duration>,
}

/// What Envoy's timer can tell apart.
const STEP: Duration = Duration::from_millis(1);
/// It fires at least so often while something waits: the wall clock, by which tokens end, may be set
/// forward meanwhile.
const LONGEST: Duration = Duration::from_secs(30);

impl TickTimer {
    /// It has fired, or was switched off.
    pub fn has_fired(&mut self) {
        self.next = None;
    }

    /// In how long it is to fire, if it must be set for something that waits for `wake`.
    pub fn set(&mut self, wake: Option<Duration>, now: Duration) -> Option<Duration> {
        let wake = wake?.clamp(STEP, LONGEST);
        let at = now.saturating_add(wake);
        // To set a timer that is about to fire would put it off, and again with the next event.
        if self.next.is_some_and(|next| next <= at) {
            return None;
        }
        self.next = Some(at);
        Some(wake)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn it_is_set_only_when_it_would_ring_too_late() {
        let mut timer = TickTimer::default();
        assert_eq!(timer.set(None, NOW), None);
        assert_eq!(timer.set(Some(millis(500)), NOW), Some(millis(500)));
        assert_eq!(timer.set(Some(millis(600)), NOW), None);
        assert_eq!(timer.set(Some(millis(20)), NOW), Some(millis(20)));
        assert_eq!(timer.set(Some(millis(20)), NOW + millis(1)), None);
        timer.has_fired();
        assert_eq!(timer.set(Some(Duration::ZERO), NOW + millis(20)), Some(STEP));
    }

    #[test]
    fn one_that_is_about_to_ring_is_not_put_off() {
        let mut timer = TickTimer::default();
        timer.set(Some(millis(20)), NOW);
        assert_eq!(timer.set(Some(Duration::ZERO), NOW + millis(30)), None);
    }

    #[test]
    fn it_fires_early_when_what_waits_has_long() {
        let mut timer = TickTimer::default();
        assert_eq!(timer.set(Some(Duration::from_secs(3600)), NOW), Some(LONGEST));
        assert_eq!(timer.set(Some(Duration::from_secs(3600)), NOW + millis(1)), None);
        timer.has_fired();
        assert_eq!(timer.set(Some(Duration::from_secs(3570)), NOW + LONGEST), Some(LONGEST));
    }
}
