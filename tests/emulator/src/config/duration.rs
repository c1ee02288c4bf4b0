//! ISO 8601 durations: `PT1M`, `P14D`, `P1DT2H3M4.5S`.

use std::time::Duration;

/// Reads a duration. A year is 365 days and a month 30, as in .NET.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let rest = text.strip_prefix('P')?;
    let (date, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None => (rest, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    const DAY: u32 = 86_400;
    let days = sum(date, &[('Y', 365 * DAY), ('M', 30 * DAY), ('D', DAY)])?;
    let seconds = sum(time, &[('H', 3_600), ('M', 60), ('S', 1)])?;
    days.checked_add(seconds)
}

/// Adds up `12H30M`: units in order, each at most once, a fraction only of seconds.
fn sum(mut text: &str, units: &[(char, u32)]) -> Option<Duration> {
    let mut total = Duration::ZERO;
    for (unit, seconds) in units {
        let Some((number, rest)) = text.split_once(*unit) else { continue };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let fraction_allowed = *unit == 'S' || !number.contains('.');
        if !digits(whole) || !digits(fraction) || fraction.len() > 9 || !fraction_allowed {
            return None;
        }
        let whole = whole.parse::<u64>().ok()?.checked_mul(u64::from(*seconds))?;
        let nanoseconds = format!("{fraction:0<9}").parse().ok()?;
        total = total.checked_add(Duration::new(whole, nanoseconds))?;
        text = rest;
    }
    text.is_empty().then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_iso_8601() {
        for (text, seconds) in [
            ("PT1M", 60.0),
            ("PT20S", 20.0),
            ("PT1.5S", 1.5),
            ("P14D", 1_209_600.0),
            ("P1DT2H3M4S", 93_784.0),
            ("P1Y2M", 36_720_000.0),
            ("P10675199DT2H48M5.4775807S", 922_337_203_685.477_5),
        ] {
            assert_eq!(parse(text).unwrap().as_secs_f64(), seconds, "{text}");
        }
        for wrong in
            ["", "P", "PT", "1m", "PT1", "P1H", "PT1S1M", "PT-1S", "PT1.5M", "pt1m", "P1DT"]
        {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
