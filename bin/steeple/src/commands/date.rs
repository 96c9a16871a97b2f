//! Times as Go prints and reads them.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::quote::quote;

/// The layout of `-expiresBefore`.
const LAYOUT: &str = "2006-01-02 15:04:05 -0700 -07";

/// Seconds since 1970 in a zone, as `2026-11-23 19:17:23 +0000 UTC`.
pub(crate) fn in_zone(seconds: i64, zone: &TimeZone) -> String {
    match Timestamp::from_second(seconds) {
        Ok(time) => time.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string(),
        Err(_) => seconds.to_string(),
    }
}

/// A time in UTC, as `2026-11-23 19:17:23 +0000 UTC`.
pub(crate) fn utc(seconds: i64) -> String {
    in_zone(seconds, &TimeZone::UTC)
}

/// A time in UTC as RFC 3339 has it, `2026-11-23T19:17:23Z`.
pub(crate) fn rfc3339(seconds: i64) -> String {
    match Timestamp::from_second(seconds) {
        Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => seconds.to_string(),
    }
}

/// Checks a date of the form `2006-01-02 15:04:05 -0700 -07`.
///
/// # Errors
/// What is wrong, as Go says it.
pub(crate) fn check(text: &str) -> Result<(), String> {
    let mut rest = text;
    let mut date = [0_u32; 3];
    for (position, (before, element)) in ELEMENTS.iter().enumerate() {
        rest = rest.strip_prefix(before).ok_or_else(|| cannot(text, rest, before))?;
        let (number, after) = element.read(rest).ok_or_else(|| cannot(text, rest, element.shown))?;
        if !element.range.contains(&number) {
            return Err(format!("parsing time {}: {} out of range", quote(text), element.name));
        }
        if let Some(slot) = date.get_mut(position) {
            *slot = number;
        }
        rest = after;
    }
    if !rest.is_empty() {
        return Err(format!("parsing time {}: extra text: {}", quote(text), quote(rest)));
    }
    let [year, month, day] = date.map(i16::try_from).map(|part| part.unwrap_or(i16::MAX));
    let (month, day) = (i8::try_from(month).unwrap_or(0), i8::try_from(day).unwrap_or(0));
    jiff::civil::Date::new(year, month, day).map_err(|_| format!("parsing time {}: day out of range", quote(text)))?;
    Ok(())
}

fn cannot(text: &str, rest: &str, element: &str) -> String {
    let mut message = String::new();
    let _ = write!(message, "parsing time {} as {}: ", quote(text), quote(LAYOUT));
    let _ = write!(message, "cannot parse {} as {}", quote(rest), quote(element));
    message
}

/// A part of the layout.
struct Element {
    shown: &'static str,
    name: &'static str,
    digits: std::ops::RangeInclusive<usize>,
    signed: bool,
    range: std::ops::RangeInclusive<u32>,
}

const fn two(shown: &'static str, name: &'static str, low: u32, high: u32) -> Element {
    Element { shown, name, digits: 2..=2, signed: false, range: low..=high }
}

const fn zone(shown: &'static str, digits: usize, high: u32) -> Element {
    Element { shown, name: "time zone offset hour", digits: digits..=digits, signed: true, range: 0..=high }
}

const ELEMENTS: [(&str, Element); 8] = [
    ("", Element { shown: "2006", name: "year", digits: 4..=4, signed: false, range: 0..=9999 }),
    ("-", two("01", "month", 1, 12)),
    ("-", two("02", "day", 0, 99)),
    (" ", Element { shown: "15", name: "hour", digits: 1..=2, signed: false, range: 0..=23 }),
    (":", two("04", "minute", 0, 59)),
    (":", two("05", "second", 0, 59)),
    (" ", zone("-0700", 4, 2460)),
    (" ", zone("-07", 2, 24)),
];

impl Element {
    fn read<'a>(&self, text: &'a str) -> Option<(u32, &'a str)> {
        let text = if self.signed { text.strip_prefix(['+', '-'])? } else { text };
        let count = text.bytes().take(*self.digits.end()).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = text.split_at_checked(count).filter(|_| self.digits.contains(&count))?;
        Some((digits.parse().ok()?, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_go_writes_them() {
        assert_eq!(utc(1_795_461_713), "2026-11-23 19:21:53 +0000 UTC");
        assert_eq!(rfc3339(1_795_461_713), "2026-11-23T19:21:53Z");
        let zone = TimeZone::posix("CET-1").unwrap();
        assert_eq!(in_zone(1_795_461_713, &zone), "2026-11-23 20:21:53 +0100 CET");
    }

    #[test]
    fn dates_are_refused_as_in_go() {
        assert_eq!(check("2026-11-23 19:21:53 +0100 +01"), Ok(()));
        for (text, message) in [
            ("bad", "parsing time \"bad\" as \"2006-01-02 15:04:05 -0700 -07\": cannot parse \"bad\" as \"2006\""),
            (
                "2026-11-23",
                "parsing time \"2026-11-23\" as \"2006-01-02 15:04:05 -0700 -07\": cannot parse \"\" as \" \"",
            ),
            ("2026-13-23 19:21:53 +0100 +01", "parsing time \"2026-13-23 19:21:53 +0100 +01\": month out of range"),
            ("2026-02-30 19:21:53 +0100 +01", "parsing time \"2026-02-30 19:21:53 +0100 +01\": day out of range"),
            ("2026-11-23 19:21:53 +0100 +01x", "parsing time \"2026-11-23 19:21:53 +0100 +01x\": extra text: \"x\""),
        ] {
            assert_eq!(check(text), Err(message.to_owned()), "{text}");
        }
    }
}
