//! Durations as Kubernetes and Envoy write them: `250ms`, `5s`, `1m`, `1h`, `0.5s`, `1h30m`.

use std::time::Duration;

const UNITS: [(&str, u64); 4] =
    [("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000)];

/// Reads a duration to the nanosecond, or `None` for anything else.
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit() || c == '.');
        let (unit, after) = split(after, |c| c.is_ascii_alphabetic());
        let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(scale(number, *nanos)?)?;
        rest = after;
    }
    Some(Duration::from_nanos(total))
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    text.split_at(end)
}

/// A decimal number times a unit; digits below a nanosecond are refused, not rounded.
fn scale(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return None,
        None => (number, ""),
    };
    let mut nanos = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    let mut part = unit;
    for digit in fraction.chars() {
        if !part.is_multiple_of(10) {
            return None;
        }
        part /= 10;
        nanos = nanos.checked_add(u64::from(digit.to_digit(10)?).checked_mul(part)?)?;
    }
    Some(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_kubernetes_and_envoy_write_them() {
        let cases = [
            ("250ms", 250),
            ("5s", 5_000),
            ("1m", 60_000),
            ("1h", 3_600_000),
            ("0.5s", 500),
            ("1.5h", 5_400_000),
            ("1h30m", 5_400_000),
            ("1m0.25s", 60_250),
            ("0s", 0),
        ];
        for (text, millis) in cases {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let cases = [
            "",
            "5",
            "s",
            "soon",
            "-5s",
            "+5s",
            "5 s",
            " 5s",
            "5s ",
            "1d",
            "5S",
            ".5s",
            "5.s",
            "1..5s",
            "1e3s",
            "٣s",
            "0.0000000001s",
            "99999999999999999999s",
            "5124096h",
        ];
        for text in cases {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
