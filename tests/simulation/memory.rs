//! Shared data that other workers change at the same moment.

use std::cell::RefCell;

use envoy_service_bus::shared::Shared;
use fastrand::Rng;

use super::common::shared::Memory;

/// Memory in which another worker is sometimes the first, with the same value.
#[derive(Debug)]
pub(crate) struct Contended {
    memory: Memory,
    rng: RefCell<Rng>,
    /// Of a hundred stores.
    lost: u32,
}

impl Contended {
    pub(crate) fn new(seed: u64, lost: u32) -> Self {
        Self { memory: Memory::default(), rng: RefCell::new(Rng::with_seed(seed)), lost }
    }
}

impl Shared for Contended {
    fn load(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.memory.load(key)
    }

    fn store(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
        if self.rng.borrow_mut().u32(0..100) < self.lost
            && let Some((same, version)) = self.memory.load(key)
        {
            assert!(self.memory.store(key, &same, Some(version)));
        }
        self.memory.store(key, value, version)
    }
}
