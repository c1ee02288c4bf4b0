//! Envoy's timer: it runs only while something waits, and is set only when it would come too late.

use std::cell::Cell;
use std::time::Duration;

use super::host;

/// When Envoy will call next, in delivery's steady time.
#[derive(Debug, Default)]
pub(super) struct Ticking {
    next: Cell<Option<Duration>>,
}

/// What Envoy's timer can tell apart.
const STEP: Duration = Duration::from_millis(1);

impl Ticking {
    /// Envoy has called; it would go on with the same period.
    pub(super) fn has_ticked(&self, wake: Option<Duration>, now: Duration) {
        self.next.set(None);
        match wake {
            Some(_) => self.arm(wake, now),
            None => host::tick_every(Duration::ZERO),
        }
    }

    /// Sees to it that Envoy calls in `wake` at the latest.
    pub(super) fn arm(&self, wake: Option<Duration>, now: Duration) {
        let Some(wake) = wake.map(|wake| wake.max(STEP)) else { return };
        let at = now.saturating_add(wake);
        if self.next.get().is_none_or(|next| next > at) {
            host::tick_every(wake);
            self.next.set(Some(at));
        }
    }
}
