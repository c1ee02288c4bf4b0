//! What must hold for any bytes. Each module is one target of libFuzzer.
//!
//! A target fails by panic: that is how libFuzzer learns of it.

pub mod configuration;
pub mod message;
pub mod response;
pub mod credentials;
pub mod expression;
pub mod import_apim;
pub mod emulator_send;
pub mod emulator_rules;
pub mod emulator_amqp;
pub mod module;

use std::time::Duration;

/// The time of each run.
pub const NOW: Duration = Duration::from_secs(1_795_219_200);

/// The random bytes of each run.
pub fn random() -> Option<[u8; 16]> {
    Some([0x5a; 16])
}
