//! A moment in whole milliseconds. Every rule of the broker takes it as an argument.

use std::ops::Add;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// By how many milliseconds the emulator's clock is ahead of the machine's.
static AHEAD: AtomicI64 = AtomicI64::new(0);

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Later than every other moment: no expiry.
    pub const NEVER: Self = Self(u64::MAX);

    /// The moment `seconds` after the Unix epoch.
    #[must_use]
    pub const fn from_unix_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// The moment `millis` milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_unix_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn unix_millis(self) -> u64 {
        self.0
    }

    /// What the emulator's clock shows.
    #[must_use]
    pub fn now() -> Self {
        Self::from(SystemTime::now()).shifted(AHEAD.load(Ordering::Relaxed))
    }

    /// Sets the emulator's clock so many seconds ahead of the machine's, or behind it.
    pub fn set_ahead(seconds: i32) {
        AHEAD.store(i64::from(seconds) * 1000, Ordering::Relaxed);
    }

    const fn shifted(self, millis: i64) -> Self {
        Self(self.0.saturating_add_signed(millis))
    }

    /// Whole seconds since the Unix epoch.
    #[must_use]
    pub const fn unix_seconds(self) -> u64 {
        self.0 / 1000
    }

    /// How long it is from `earlier` to here; zero if it lies later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Reads `Sat, 21 Nov 2026 00:00:00 GMT` and nothing else: not the two obsolete forms of
    /// HTTP dates, not a wrong weekday.
    #[must_use]
    pub fn from_rfc1123(text: &str) -> Option<Self> {
        let moment = httpdate::parse_http_date(text).ok()?;
        (httpdate::fmt_http_date(moment) == text).then(|| Self::from(moment))
    }

    /// As in `Sat, 21 Nov 2026 00:00:00 GMT`.
    #[must_use]
    pub fn to_rfc1123(self) -> String {
        // httpdate panics past the year 9999.
        const LAST: u64 = 253_402_300_799_000;
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(self.0.min(LAST)))
    }

    /// As in `2026-11-21T00:00:00`, the form of the `Timestamp` in error texts.
    #[must_use]
    pub fn to_iso8601(self) -> String {
        let rfc1123 = self.to_rfc1123();
        let mut words = rfc1123.split(' ').skip(1);
        let mut word = || words.next().unwrap_or_default();
        let (day, month, year, time) = (word(), word(), word(), word());
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let month = MONTHS.iter().position(|name| *name == month).unwrap_or_default() + 1;
        format!("{year}-{month:02}-{day}T{time}")
    }
}

impl From<SystemTime> for Timestamp {
    fn from(moment: SystemTime) -> Self {
        let since_epoch = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rfc_1123_in_gmt_is_read() {
        let moment = Timestamp::from_unix_seconds(1_795_219_200);
        assert_eq!(moment.to_rfc1123(), "Sat, 21 Nov 2026 00:00:00 GMT");
        assert_eq!(Timestamp::from_rfc1123("Sat, 21 Nov 2026 00:00:00 GMT"), Some(moment));
        for wrong in [
            "Fri, 21 Nov 2026 00:00:00 GMT",
            "Sat, 21 Nov 2026 00:00:00 +0000",
            "Saturday, 21-Nov-26 00:00:00 GMT",
            "2026-11-21T00:00:00Z",
            "",
        ] {
            assert_eq!(Timestamp::from_rfc1123(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_clock_goes_ahead_or_behind() {
        let moment = Timestamp::from_unix_seconds(100);
        assert_eq!(moment.shifted(5000), Timestamp::from_unix_seconds(105));
        assert_eq!(moment.shifted(-5000), Timestamp::from_unix_seconds(95));
        assert_eq!(moment.shifted(i64::MIN), Timestamp::from_unix_seconds(0));
        assert_eq!(Timestamp::NEVER.shifted(i64::MAX), Timestamp::NEVER);
    }

    #[test]
    fn error_texts_carry_an_iso_8601_time() {
        assert_eq!(Timestamp::from_unix_seconds(1_549_496_214).to_iso8601(), "2019-02-06T23:36:54");
    }
}
