//! SQL filters and actions of subscriptions.

use service_bus_emulator::broker::{Action, SqlFilter};

/// They are understood or refused with a reason.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(error) = SqlFilter::parse(text) {
        assert!(!error.to_string().is_empty());
    }
    if let Err(error) = Action::parse(text) {
        assert!(!error.to_string().is_empty());
    }
}
