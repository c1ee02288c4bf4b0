//! How long an upstream asks to wait: the `retry-after` of RFC 9110, section 10.2.3.

use std::time::Duration;

use chrono::DateTime;

use super::headers::Headers;

/// Longest wait that is heeded: a day.
pub(crate) const LONGEST: Duration = Duration::from_secs(86_400);

/// The wait: seconds, some servers' fraction of them, or a date, which counts from the answer's own
/// `date`. `None` when there is none that can be read.
pub(crate) fn retry_after(headers: &Headers) -> Option<Duration> {
    let text = headers.first_text("retry-after")?.trim();
    let wait = seconds(text).or_else(|| Some(date(text)?.saturating_sub(answered_at(headers)?)))?;
    Some(wait.min(LONGEST))
}

fn seconds(text: &str) -> Option<Duration> {
    let decimal = text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds: f64 = text.parse().ok().filter(|_| decimal)?;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// The answer's `date`, since the Unix epoch.
pub(crate) fn answered_at(headers: &Headers) -> Option<Duration> {
    date(headers.first_text("date")?)
}

fn date(text: &str) -> Option<Duration> {
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    u64::try_from(date.timestamp()).ok().map(Duration::from_secs)
}

/// Whole seconds for a client, rounded up. Never zero: all clients would come back at once.
pub(crate) fn for_client(wait: Duration) -> u32 {
    let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    u32::try_from(seconds).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_it_is_read() {
        let answered = "Sat, 21 Nov 2026 00:00:00 GMT";
        let cases = [
            ("7", Some(7_000)),
            (" 7 ", Some(7_000)),
            ("0", Some(0)),
            ("1.25", Some(1_250)),
            ("999999999", Some(86_400_000)),
            ("99999999999999999999999999", Some(86_400_000)),
            ("Sat, 21 Nov 2026 00:01:30 GMT", Some(90_000)),
            ("Fri, 20 Nov 2026 23:59:00 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("1.2.3", None),
            (".", None),
            ("inf", None),
            ("soon", None),
        ];
        for (value, millis) in cases {
            let headers = [("date", answered), ("retry-after", value)].into_iter().collect();
            assert_eq!(retry_after(&headers), millis.map(Duration::from_millis), "{value:?}");
        }
        let dateless: Headers = [("retry-after", answered)].into_iter().collect();
        assert_eq!(retry_after(&dateless), None);
        assert_eq!(retry_after(&Headers::default()), None);
    }

    #[test]
    fn a_client_is_never_told_to_come_back_at_once() {
        for (millis, seconds) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (86_400_000, 86_400)] {
            assert_eq!(for_client(Duration::from_millis(millis)), seconds);
        }
        assert_eq!(for_client(Duration::MAX), u32::MAX);
    }
}
