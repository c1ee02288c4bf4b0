//! Duplicate detection: which message ids were seen within the window.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use super::{CompactId, Timestamp};

/// The ids of one entity's window. The window runs from the first message; a duplicate does not
/// extend it.
#[derive(Debug)]
pub struct DuplicateHistory {
    window: Duration,
    seen: HashSet<CompactId>,
    order: VecDeque<(Timestamp, CompactId)>,
}

impl DuplicateHistory {
    /// An empty history that remembers for `window`.
    #[must_use]
    pub fn new(window: Duration) -> Self {
        Self { window, seen: HashSet::new(), order: VecDeque::new() }
    }

    /// Notes the id; false if it is a duplicate.
    pub fn is_new(&mut self, id: &CompactId, now: Timestamp) -> bool {
        while let Some((first, _)) = self.order.front()
            && *first + self.window <= now
        {
            if let Some((_, old)) = self.order.pop_front() {
                self.seen.remove(&old);
            }
        }
        if !self.seen.insert(id.clone()) {
            return false;
        }
        self.order.push_back((now, id.clone()));
        true
    }

    /// Forgets every id.
    pub fn clear(&mut self) {
        self.seen.clear();
        self.order.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_duplicate_until_its_window_ends() {
        let start = Timestamp::from_unix_seconds(1000);
        let mut history = DuplicateHistory::new(Duration::from_secs(20));
        let id = CompactId::from("order-1");

        assert!(history.is_new(&id, start));
        assert!(!history.is_new(&id, start + Duration::from_secs(19)));
        assert!(history.is_new(&id, start + Duration::from_secs(20)));
        assert!(history.is_new(&CompactId::from("order-2"), start + Duration::from_secs(20)));
    }
}
