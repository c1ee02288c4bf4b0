//! The two clocks of the host.

use std::ops::{Add, AddAssign};
use std::time::Duration;

/// A moment, by both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// Since the Unix epoch, for tokens and dates. Its clock may be set, forward or back.
    pub wall: Duration,
    /// Since a moment that all workers of a process share, for waits. It never goes back.
    pub monotonic: Duration,
}

impl Add<Duration> for Time {
    type Output = Self;

    /// What both clocks say after a while in which none is set.
    fn add(self, span: Duration) -> Self {
        Self {
            wall: self.wall.saturating_add(span),
            monotonic: self.monotonic.saturating_add(span),
        }
    }
}

impl AddAssign<Duration> for Time {
    fn add_assign(&mut self, span: Duration) {
        *self = *self + span;
    }
}
