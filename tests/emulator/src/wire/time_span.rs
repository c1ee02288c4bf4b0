//! Time spans as .NET writes them: `d.hh:mm:ss`, with up to seven more digits of a second.

use std::time::Duration;

/// Reads a time span. The days must be there, as in Microsoft's documentation.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let (days, rest) = text.split_once('.')?;
    let (time, fraction) = rest.split_once('.').unwrap_or((rest, "0"));
    let mut parts = time.split(':');
    let hours = two_digits(parts.next()?, 24)?;
    let minutes = two_digits(parts.next()?, 60)?;
    let seconds = two_digits(parts.next()?, 60)?;
    if parts.next().is_some() || !(1..=7).contains(&fraction.len()) || days.len() > 8 {
        return None;
    }
    let nanoseconds = digits(&format!("{fraction:0<9}"))?;
    let whole = digits(days)? * 86_400 + hours * 3_600 + minutes * 60 + seconds;
    Some(Duration::new(whole, u32::try_from(nanoseconds).ok()?))
}

fn two_digits(text: &str, below: u64) -> Option<u64> {
    digits(text).filter(|number| text.len() == 2 && *number < below)
}

fn digits(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_are_days_hours_minutes_seconds() {
        assert_eq!(parse("0.00:00:40"), Some(Duration::from_secs(40)));
        assert_eq!(parse("1.02:03:04"), Some(Duration::from_secs(93_784)));
        assert_eq!(parse("0.00:00:01.5"), Some(Duration::from_millis(1500)));
        for wrong in [
            "",
            "40",
            "00:00:40",
            "0.0:0:40",
            "0.24:00:00",
            "0.00:60:00",
            "-1.00:00:00",
            "0.00:00:40.12345678",
            "0.00:00:40.",
            "0.00:00:00:40",
            "+0.00:00:40",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
