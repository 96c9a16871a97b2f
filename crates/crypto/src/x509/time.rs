//! Times of certificates (RFC 5280, section 4.1.2.5).

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::der::{DerError, Reader, Writer, tag};

/// Reads a UTCTime or GeneralizedTime in the one form that RFC 5280 allows.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Timestamp, DerError> {
    let value = reader.value()?;
    let text = std::str::from_utf8(value.content).map_err(|_| DerError::Value)?;
    let digits = text.strip_suffix('Z').ok_or(DerError::Value)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DerError::Value);
    }
    let full = match (value.tag, digits.len()) {
        (tag::UTC_TIME, 12) => format!("{}{digits}", if digits < "5" { "20" } else { "19" }),
        (tag::GENERALIZED_TIME, 14) => digits.to_owned(),
        _ => return Err(DerError::Value),
    };
    parse(&full).ok_or(DerError::Value)
}

fn parse(digits: &str) -> Option<Timestamp> {
    let part = |range: std::ops::Range<usize>| digits.get(range)?.parse::<i8>().ok();
    let year = digits.get(..4)?.parse().ok()?;
    let time = DateTime::new(year, part(4..6)?, part(6..8)?, part(8..10)?, part(10..12)?, part(12..14)?, 0).ok()?;
    TimeZone::UTC.to_timestamp(time).ok()
}

/// Writes a time in the form that its year demands; fractions of a second are cut off.
pub(super) fn write(writer: &mut Writer, time: Timestamp) {
    let time = TimeZone::UTC.to_datetime(time);
    let rest =
        format!("{:02}{:02}{:02}{:02}{:02}Z", time.month(), time.day(), time.hour(), time.minute(), time.second());
    if (1950..2050).contains(&time.year()) {
        writer.value(tag::UTC_TIME, format!("{:02}{rest}", time.year().rem_euclid(100)).as_bytes());
    } else {
        writer.value(tag::GENERALIZED_TIME, format!("{:04}{rest}", time.year()).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_in_the_form_of_their_century() {
        for (text, kind) in [
            ("1999-12-31T23:59:59Z", tag::UTC_TIME),
            ("2049-01-02T03:04:05Z", tag::UTC_TIME),
            ("2050-01-02T03:04:05Z", tag::GENERALIZED_TIME),
        ] {
            let time: Timestamp = text.parse().unwrap();
            let mut writer = Writer::default();
            write(&mut writer, time);
            let bytes = writer.into_bytes();
            assert_eq!(bytes[0], kind);
            assert_eq!(read(&mut Reader::new(&bytes)).unwrap(), time);
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in ["9912312359Z", "991231235959+0100", "991331235959Z", "9912312359 9Z"] {
            let mut writer = Writer::default();
            writer.value(tag::UTC_TIME, text.as_bytes());
            assert!(read(&mut Reader::new(&writer.into_bytes())).is_err(), "{text}");
        }
    }
}
