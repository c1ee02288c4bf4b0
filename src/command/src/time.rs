//! The time, as the system or an option gives it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use envoy_service_bus::duration::parse as parse_duration;
use envoy_service_bus::message::Schedule;

/// Reads a time in RFC 3339, as a time since the Unix epoch.
pub(crate) fn read(text: &str) -> Result<Duration, String> {
    match Schedule::parse(text) {
        Some(Schedule::At(time)) => Ok(time),
        _ => Err("expected a time such as 2026-01-31T12:00:00Z".to_owned()),
    }
}

/// Reads a duration as the configuration has them.
pub(crate) fn read_duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "expected a duration such as 30s or 1h".to_owned())
}

/// The system's time since the Unix epoch.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
