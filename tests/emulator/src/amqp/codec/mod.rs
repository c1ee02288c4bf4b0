//! The types of AMQP 1.0 (part 1 of the standard) and their encodings. Our own, since it must bear
//! anything that a peer sends: depth and number of values are limited, nothing is allocated for
//! what is not there, and bytes are shared with the frame that brought them.

mod decode;
mod encode;
#[cfg(test)]
mod tests;
mod value;

pub use decode::{DecodeError, MAX_DEPTH, Reader, decode};
pub use encode::encode;
pub use value::Value;
