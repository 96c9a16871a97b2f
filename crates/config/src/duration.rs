//! Durations as Go writes them.

use std::fmt::Write;
use std::time::Duration;

/// As far as Go's durations go, which is some 292 years.
const LONGEST_NANOSECONDS: u128 = i64::MAX.unsigned_abs() as u128;

/// Reads a duration such as `1h30m` or `1.5s`; the errors are those of Go's `time.ParseDuration`.
///
/// # Errors
/// A text as Go's. A negative duration, which Go takes, is refused, since nothing here can be negative.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    if text.strip_prefix('-').is_some_and(|rest| !rest.starts_with(['+', '-']) && parse_duration(rest).is_ok()) {
        return Err(format!("duration {text:?} is negative; write it without the sign"));
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        if number.is_empty() || number == "." {
            return Err(invalid());
        }
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {text:?}"));
        }
        let nanoseconds: u64 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(format!("time: unknown unit {unit:?} in duration {text:?}")),
        };
        let sum = scaled(number, nanoseconds).and_then(|part| total.checked_add(part));
        total = sum.filter(|sum| sum.as_nanos() <= LONGEST_NANOSECONDS).ok_or_else(invalid)?;
        rest = after;
    }
    Ok(total)
}

fn scaled(number: &str, nanoseconds: u64) -> Option<Duration> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut total = u128::from(whole) * u128::from(nanoseconds);
    let mut weight = u128::from(nanoseconds);
    for digit in fraction.chars() {
        weight /= 10;
        total += u128::from(digit.to_digit(10)?) * weight;
    }
    u64::try_from(total).ok().map(Duration::from_nanos)
}

/// Writes a duration as Go's `Duration.String`: `1h0m0s`, `1.5s`, `20ms`, `0s`.
pub fn format_duration(duration: Duration) -> String {
    if duration.is_zero() {
        return "0s".to_owned();
    }
    let nanoseconds = duration.as_nanos();
    for (unit, size) in [("ns", 1_000_u128), ("µs", 1_000_000), ("ms", 1_000_000_000)] {
        if nanoseconds < size {
            return format!("{}{unit}", fraction(nanoseconds, size / 1_000));
        }
    }
    let (hours, rest) = (duration.as_secs() / 3_600, duration.as_secs() % 3_600);
    let mut out = String::new();
    // Writing to a string can't fail.
    if hours > 0 {
        let _written = write!(out, "{hours}h");
    }
    if hours > 0 || rest >= 60 {
        let _written = write!(out, "{}m", rest / 60);
    }
    let seconds = u128::from(rest % 60) * 1_000_000_000 + u128::from(duration.subsec_nanos());
    out + &fraction(seconds, 1_000_000_000) + "s"
}

fn fraction(value: u128, unit: u128) -> String {
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let width = unit.to_string().len() - 1;
    format!("{whole}.{rest:0width$}").trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_survive() {
        for text in ["1h0m0s", "5s", "1.5ms", "1m30s", "20µs", "300ns", "0s", "1.25s", "24h0m0s"] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), text);
        }
        assert_eq!(parse_duration("1.5h").unwrap(), Duration::from_mins(90));
    }

    #[test]
    fn errors_are_those_of_go() {
        for (text, error) in [
            ("", "time: invalid duration \"\""),
            ("1x", "time: unknown unit \"x\" in duration \"1x\""),
            ("1", "time: missing unit in duration \"1\""),
            ("x", "time: invalid duration \"x\""),
            ("99999999999h", "time: invalid duration \"99999999999h\""),
            ("-5m", "duration \"-5m\" is negative; write it without the sign"),
            ("-x", "time: invalid duration \"-x\""),
            ("--5m", "time: invalid duration \"--5m\""),
            ("-+5m", "time: invalid duration \"-+5m\""),
            ("2562047h60m", "time: invalid duration \"2562047h60m\""),
        ] {
            assert_eq!(parse_duration(text).unwrap_err(), error);
        }
    }
}
