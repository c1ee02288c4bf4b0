//! Envoy's timer, which would go on with the same period.

use std::cell::RefCell;
use std::time::Duration;

use super::host;
use crate::delivery::Alarm;

/// When Envoy will call next.
#[derive(Debug, Default)]
pub(super) struct Ticking {
    alarm: RefCell<Alarm>,
}

impl Ticking {
    /// Envoy has called.
    pub(super) fn has_ticked(&self, wake: Option<Duration>, now: Duration) {
        self.alarm.borrow_mut().has_rung();
        match wake {
            Some(_) => self.arm(wake, now),
            None => host::tick_every(Duration::ZERO),
        }
    }

    /// Sees to it that Envoy calls in `wake` at the latest.
    pub(super) fn arm(&self, wake: Option<Duration>, now: Duration) {
        if let Some(wait) = self.alarm.borrow_mut().set(wake, now) {
            host::tick_every(wait);
        }
    }
}
