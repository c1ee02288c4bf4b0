//! Who may do what.

mod keys;
mod sas;
#[cfg(test)]
mod sas_tests;

pub use keys::{InvalidKeyRule, KeyRule, Right};
pub use sas::{Resource, host, verify};
