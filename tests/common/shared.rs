//! Shared data in memory, with the rules of Envoy's.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use envoy_service_bus::shared::Shared;

/// Values by name; each change gets a version of its own.
#[derive(Default)]
pub(crate) struct Memory {
    values: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
    last_version: RefCell<u32>,
}

/// Envoy's shows nothing of what it holds either.
impl fmt::Debug for Memory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Memory")
    }
}

impl Shared for Memory {
    fn load(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.values.borrow().get(key).cloned()
    }

    fn store(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
        let mut values = self.values.borrow_mut();
        if values.get(key).map(|(_, stored)| *stored) != version {
            return false;
        }
        let mut last = self.last_version.borrow_mut();
        *last += 1;
        values.insert(key.to_owned(), (value.to_vec(), *last));
        true
    }
}
