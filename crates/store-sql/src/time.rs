//! Times as SPIRE's database driver writes them into SQLite, `2026-11-23 19:21:46.74225356+00:00`.

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{Timestamp, Unit};

/// The text of a time, UTC, with as many digits of a second as it has.
pub(crate) fn to_text(time: Timestamp) -> String {
    let mut text = time.to_string().replacen('T', " ", 1);
    if text.ends_with('Z') {
        text.pop();
    }
    text.push_str("+00:00");
    text
}

/// The time of a text. A server in another time zone writes its own offset; one without offset is UTC.
pub(crate) fn from_text(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let civil: DateTime = text.parse().ok()?;
    Offset::UTC.to_timestamp(civil).ok()
}

/// The time of whole Unix seconds, `None` for 0.
pub(crate) fn from_seconds(seconds: i64) -> Option<Timestamp> {
    if seconds == 0 { None } else { Timestamp::from_second(seconds).ok() }
}

/// The whole Unix seconds of a time, 0 for `None`.
pub(crate) fn to_seconds(time: Option<Timestamp>) -> i64 {
    time.map_or(0, Timestamp::as_second)
}

/// The nearest whole second, as SPIRE shows times of creation.
pub(crate) fn rounded(time: Timestamp) -> Timestamp {
    time.round(Unit::Second).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_spire_are_read_and_written_alike() {
        for text in ["2026-11-23 19:21:46.74225356+00:00", "2031-11-22 19:21:47+00:00", "2026-11-23 19:21:46.1+00:00"] {
            assert_eq!(to_text(from_text(text).unwrap()), text);
        }
    }

    #[test]
    fn other_zones_and_missing_offsets_are_read() {
        let time = from_text("2026-11-23 19:21:46+00:00");
        assert_eq!(from_text("2026-11-23 21:21:46+02:00"), time);
        assert_eq!(from_text("2026-11-23T19:21:46Z"), time);
        assert_eq!(from_text("2026-11-23 19:21:46"), time);
        assert_eq!(from_text("yesterday"), None);
    }

    #[test]
    fn creation_is_shown_in_whole_seconds() {
        let time = from_text("2026-11-23 19:21:46.74225356+00:00").unwrap();
        assert_eq!(to_text(rounded(time)), "2026-11-23 19:21:47+00:00");
    }
}
