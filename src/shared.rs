//! What the workers of one process tell each other.

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
