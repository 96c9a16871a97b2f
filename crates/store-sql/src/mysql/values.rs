//! Values and rows as MySQL's driver has them.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use mysql_async::Value as Wire;

use crate::connection::{Result, Row, Value, unexpected};

/// A value for the driver. Times are in UTC; MySQL rounds them to whole seconds.
pub(super) fn to_wire(value: &Value<'_>) -> Wire {
    match value {
        Value::Null => Wire::NULL,
        Value::Boolean(truth) => Wire::Int(i64::from(*truth)),
        Value::Integer(number) => Wire::Int(*number),
        Value::Text(text) => Wire::Bytes(text.as_bytes().to_vec()),
        Value::OwnedText(text) => Wire::Bytes(text.as_bytes().to_vec()),
        Value::Blob(bytes) => Wire::Bytes(bytes.to_vec()),
        Value::Time(time) => to_date(*time),
    }
}

fn to_date(time: Timestamp) -> Wire {
    let at = Offset::UTC.to_datetime(time);
    let part = |number: i8| number.unsigned_abs();
    let microseconds = at.subsec_nanosecond().unsigned_abs() / 1_000;
    let year = at.year().unsigned_abs();
    Wire::Date(
        year,
        part(at.month()),
        part(at.day()),
        part(at.hour()),
        part(at.minute()),
        part(at.second()),
        microseconds,
    )
}

fn from_date(year: u16, month: u8, day: u8, time: (u8, u8, u8), microseconds: u32) -> Option<Timestamp> {
    let part = |number: u8| i8::try_from(number).ok();
    let (year, nanoseconds) = (i16::try_from(year).ok()?, i32::try_from(microseconds).ok()?.checked_mul(1_000)?);
    let (hour, minute, second) = (part(time.0)?, part(time.1)?, part(time.2)?);
    let at = DateTime::new(year, part(month)?, part(day)?, hour, minute, second, nanoseconds).ok()?;
    Offset::UTC.to_timestamp(at).ok()
}

/// A row of a result.
pub(super) struct MySqlRow<'r>(pub(super) &'r mysql_async::Row);

impl MySqlRow<'_> {
    fn value(&self, column: usize) -> Result<&Wire> {
        self.0.as_ref(column).ok_or_else(|| unexpected("a row has too few columns"))
    }
}

impl Row for MySqlRow<'_> {
    fn integer(&self, column: usize) -> Result<i64> {
        match self.value(column)? {
            Wire::NULL => Ok(0),
            Wire::Int(number) => Ok(*number),
            Wire::UInt(number) => i64::try_from(*number).map_err(|_| unexpected("a number is out of range")),
            _ => Err(unexpected("a column has no number")),
        }
    }

    fn text(&self, column: usize) -> Result<&str> {
        std::str::from_utf8(self.blob(column)?).map_err(|_| unexpected("a column has no UTF-8"))
    }

    fn blob(&self, column: usize) -> Result<&[u8]> {
        match self.value(column)? {
            Wire::NULL => Ok(&[]),
            Wire::Bytes(bytes) => Ok(bytes),
            _ => Err(unexpected("a column has no bytes")),
        }
    }

    fn time(&self, column: usize) -> Result<Option<Timestamp>> {
        match *self.value(column)? {
            // What was never set, where a server permits such a date.
            Wire::NULL | Wire::Date(0, 0, 0, ..) => Ok(None),
            Wire::Date(year, month, day, hour, minute, second, microseconds) => {
                let time = from_date(year, month, day, (hour, minute, second), microseconds);
                time.map(Some).ok_or_else(|| unexpected("a column has a time out of range"))
            }
            _ => Err(unexpected("a column has no time")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive() {
        for text in ["2026-11-23T19:21:46.742253Z", "1970-01-01T00:00:00Z", "1969-12-31T23:59:59.5Z"] {
            let time: Timestamp = text.parse().unwrap();
            let Wire::Date(year, month, day, hour, minute, second, microseconds) = to_date(time) else {
                panic!("no date");
            };
            assert_eq!(from_date(year, month, day, (hour, minute, second), microseconds), Some(time));
        }
        assert_eq!(from_date(2026, 2, 30, (0, 0, 0), 0), None);
    }
}
