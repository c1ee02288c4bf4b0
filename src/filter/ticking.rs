//! Envoy's timer, which would go on with the same period.

use std::cell::RefCell;
use std::time::Duration;

use super::host;
use crate::delivery::TickTimer;

/// When Envoy will call next.
#[derive(Debug, Default)]
pub(super) struct Ticking {
    timer: RefCell<TickTimer>,
}

impl Ticking {
    /// Envoy has called.
    pub(super) fn has_ticked(&self, wake: Option<Duration>, now: Duration) {
        self.timer.borrow_mut().has_fired();
        match wake {
            Some(_) => self.arm(wake, now),
            None => host::tick_every(Duration::ZERO),
        }
    }

    /// Sees to it that Envoy calls in `wake` at the latest.
    pub(super) fn arm(&self, wake: Option<Duration>, now: Duration) {
        if let Some(wait) = self.timer.borrow_mut().set(wake, now) {
            host::tick_every(wait);
        }
    }
}
