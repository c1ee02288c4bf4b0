//! What was ever stored, by message id, whether or not it was received since.

use std::collections::HashMap;

use super::CompactId;

/// Counts of one entity since the start or the last reset.
#[derive(Debug, Default)]
pub struct Ledger {
    stored: HashMap<CompactId, u32>,
    total: u64,
    duplicates: u64,
}

impl Ledger {
    /// Notes a stored message.
    pub fn stored(&mut self, id: CompactId) {
        *self.stored.entry(id).or_default() += 1;
        self.total += 1;
    }

    /// Notes a message that duplicate detection dropped.
    pub fn dropped_duplicate(&mut self) {
        self.duplicates += 1;
    }

    /// Messages stored.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Messages dropped by duplicate detection.
    #[must_use]
    pub const fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Every id with how often it was stored.
    pub fn iter(&self) -> impl Iterator<Item = (&CompactId, u32)> {
        self.stored.iter().map(|(id, count)| (id, *count))
    }
}
