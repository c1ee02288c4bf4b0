//! What the workers of Envoy's process share.

use super::host;
use crate::shared::Shared;

/// Envoy's shared data, which belongs to the `vm_id`.
#[derive(Debug)]
pub(super) struct Process;

/// Envoy checks the version of a value that is there, and none of one that is not: this one, which
/// no value gets, lets a value be the first.
const NEVER: u32 = u32::MAX;

impl Shared for Process {
    fn load(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        host::shared_data(key)
    }

    fn store(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
        host::set_shared_data(key, value, version.unwrap_or(NEVER))
    }
}
