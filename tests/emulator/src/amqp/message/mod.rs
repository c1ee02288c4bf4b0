//! Messages as AMQP has them, and as the broker keeps them.

mod incoming;
mod outgoing;
mod property;
mod sections;
#[cfg(test)]
mod tests;

pub use incoming::{BATCH_FORMAT, parse};
pub use outgoing::{encode, encode_deferred};
pub use property::{from_value, to_value};
pub use sections::Sections;
