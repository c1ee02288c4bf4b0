//! What the workers of one process tell each other.

/// The layout of what is stored. It changes with the meaning of any byte: after an upgrade old and
/// new modules of one `vm_id` share a process for a while, and must not read each other's values.
const LAYOUT: u32 = 2;

/// The key of a value of some kind.
pub fn key(kind: &str, name: &str) -> String {
    format!("service_bus.v{LAYOUT}.{kind}.{name}")
}

/// Values by name that all workers of a process see. Whoever changes one says which version it
/// has seen, so that of two workers one is the first.
pub trait Shared: std::fmt::Debug {
    /// A value and its version, `None` when nobody has stored one.
    fn load(&self, key: &str) -> Option<(Vec<u8>, u32)>;

    /// Stores a value in place of the version that was loaded, `None` where there was none.
    /// False: another worker was faster, and nothing is stored.
    #[must_use]
    fn store(&self, key: &str, value: &[u8], version: Option<u32>) -> bool;
}
