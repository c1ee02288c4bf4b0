//! What time it is.

use std::cell::Cell;
use std::time::Duration;

use super::host;
use crate::time::Time;

/// Both clocks of the host. The wall clock is asked for now and then only: in between it goes with
/// the other, which saves a host call for each event.
#[derive(Debug, Default)]
pub(super) struct Clock {
    asked: Cell<Option<Time>>,
}

/// So late a wall clock that was set is noticed.
const LAG: Duration = Duration::from_millis(100);

impl Clock {
    /// Now; `None` when the host has no clock.
    pub(super) fn time(&self) -> Option<Time> {
        let monotonic = host::monotonic_time()?;
        if let Some(asked) = self.asked.get() {
            let since = monotonic.saturating_sub(asked.monotonic);
            if since < LAG {
                return Some(asked + since);
            }
        }
        let time = Time { wall: host::wall_time()?, monotonic };
        self.asked.set(Some(time));
        Some(time)
    }
}
