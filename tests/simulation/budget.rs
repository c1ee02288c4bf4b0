//! The law of the retry budget: how many callouts may be repetitions. What cannot be told from
//! outside is left out of the count, so that it is never too high.

use std::time::Duration;

use envoy_service_bus::delivery::RetryConfig;

use super::broker::Address;

/// What one worker sends again.
pub(crate) struct Budget {
    config: RetryConfig,
    repeats: Vec<Repeat>,
    /// The callout that has just ended, and the messages that were in flight then.
    ended: Option<(Vec<u32>, Address, usize)>,
}

struct Repeat {
    ids: Vec<u32>,
    to: Address,
    /// When it leaves; `None` when it has left.
    due: Option<Duration>,
}

/// So many may always be repeated, unless none may.
const ALWAYS: usize = 3;

impl Budget {
    pub(crate) fn new(config: RetryConfig) -> Self {
        Self { config, repeats: vec![], ended: None }
    }

    /// A callout ends, while `open` messages are in flight.
    pub(crate) fn ended(&mut self, ids: &[u32], to: &Address, open: usize) {
        self.repeats.retain(|repeat| !repeat.shares(ids));
        self.ended = Some((ids.to_vec(), to.clone(), open));
    }

    /// A callout was not begun, or given up: whose repetition is told of next is not known.
    pub(crate) fn lost(&mut self, ids: &[u32]) {
        self.repeats.retain(|repeat| !repeat.shares(ids));
        self.ended = None;
    }

    /// A worker says that it will send again.
    pub(crate) fn repeated(&mut self, due: Duration) {
        let percent = self.config.budget_percent;
        assert!(percent > 0 && self.config.max > 0, "repeated without leave");
        let Some((ids, to, open)) = self.ended.take() else { return };
        self.repeats.push(Repeat { ids, to, due: Some(due) });
        let most = ALWAYS.max(open * percent / 100);
        let repeats = self.repeats.len();
        assert!(repeats <= most, "{repeats} callouts are repeated among {open} messages");
    }

    /// One more part of a refused batch leaves, so that so many are in flight.
    pub(crate) fn sends_part(&self, parts: usize, open: usize) {
        let most = match self.config.budget_percent {
            0 => 1,
            percent => ALWAYS.max(open * percent / 100),
        };
        assert!(parts <= most, "{parts} parts of refused batches among {open} messages");
    }

    /// A callout leaves.
    pub(crate) fn sent(&mut self, ids: &[u32], to: &Address) {
        self.repeats.retain(|repeat| repeat.to == *to || !repeat.shares(ids));
        for repeat in self.repeats.iter_mut().filter(|repeat| repeat.shares(ids)) {
            repeat.due = None;
        }
    }

    /// A client is told: its message is not repeated.
    pub(crate) fn settled(&mut self, id: u32) {
        self.repeats.iter_mut().for_each(|repeat| repeat.ids.retain(|own| *own != id));
        self.repeats.retain(|repeat| !repeat.ids.is_empty());
    }

    /// All that an event leads to has been done; what should have left has gone another way.
    pub(crate) fn rest(&mut self, now: Duration) {
        self.repeats.retain(|repeat| repeat.due.is_none_or(|due| due > now));
        self.ended = None;
    }
}

impl Repeat {
    fn shares(&self, ids: &[u32]) -> bool {
        self.ids.iter().any(|id| ids.contains(id))
    }
}
