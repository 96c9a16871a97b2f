//! Values and rows in PostgreSQL's binary form (Frontend/Backend Protocol, section "Formats and Format Codes").

use std::error::Error;

use bytes::BytesMut;
use jiff::Timestamp;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::connection::{Result, Row, Value, unexpected};

type Failure = Box<dyn Error + Sync + Send>;

/// Microseconds from the beginning of Unix time to that of PostgreSQL's, the year 2000.
const EPOCH: i64 = 946_684_800_000_000;

impl ToSql for Value<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> std::result::Result<IsNull, Failure> {
        match (self, ty) {
            (Value::Null, _) => return Ok(IsNull::Yes),
            (Value::Boolean(truth), &Type::BOOL) => out.extend_from_slice(&[u8::from(*truth)]),
            (Value::Integer(number), &Type::INT2) => out.extend_from_slice(&i16::try_from(*number)?.to_be_bytes()),
            (Value::Integer(number), &Type::INT4) => out.extend_from_slice(&i32::try_from(*number)?.to_be_bytes()),
            (Value::Integer(number), &Type::INT8) => out.extend_from_slice(&number.to_be_bytes()),
            (Value::Text(text), &Type::TEXT | &Type::VARCHAR) => out.extend_from_slice(text.as_bytes()),
            (Value::OwnedText(text), &Type::TEXT | &Type::VARCHAR) => out.extend_from_slice(text.as_bytes()),
            (Value::Blob(bytes), &Type::BYTEA) => out.extend_from_slice(bytes),
            (Value::Time(time), &Type::TIMESTAMPTZ) => {
                out.extend_from_slice(&(time.as_microsecond() - EPOCH).to_be_bytes());
            }
            (_, other) => return Err(format!("a column of type {other} takes no such value").into()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A number of any size, or a truth.
struct Number(i64);

impl<'a> FromSql<'a> for Number {
    fn from_sql(_: &Type, raw: &'a [u8]) -> std::result::Result<Self, Failure> {
        Ok(Self(match raw {
            [truth] => i64::from(*truth),
            &[a, b] => i16::from_be_bytes([a, b]).into(),
            &[a, b, c, d] => i32::from_be_bytes([a, b, c, d]).into(),
            other => i64::from_be_bytes(other.try_into()?),
        }))
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::BOOL | Type::INT2 | Type::INT4 | Type::INT8)
    }
}

/// A point in time.
struct Time(Timestamp);

impl<'a> FromSql<'a> for Time {
    fn from_sql(_: &Type, raw: &'a [u8]) -> std::result::Result<Self, Failure> {
        let microseconds = i64::from_be_bytes(raw.try_into()?).checked_add(EPOCH);
        Ok(Self(Timestamp::from_microsecond(microseconds.ok_or("a time out of range")?)?))
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::TIMESTAMPTZ)
    }
}

/// A row of a result.
pub(super) struct PostgresRow<'r>(pub(super) &'r tokio_postgres::Row);

impl PostgresRow<'_> {
    fn value<'v, T: FromSql<'v>>(&'v self, column: usize) -> Result<Option<T>> {
        self.0.try_get(column).map_err(|error| unexpected(&error.to_string()))
    }
}

impl Row for PostgresRow<'_> {
    fn integer(&self, column: usize) -> Result<i64> {
        Ok(self.value::<Number>(column)?.map_or(0, |number| number.0))
    }

    fn text(&self, column: usize) -> Result<&str> {
        Ok(self.value(column)?.unwrap_or_default())
    }

    fn blob(&self, column: usize) -> Result<&[u8]> {
        Ok(self.value(column)?.unwrap_or_default())
    }

    fn time(&self, column: usize) -> Result<Option<Timestamp>> {
        Ok(self.value::<Time>(column)?.map(|time| time.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(value: &Value<'_>, ty: &Type) -> std::result::Result<Vec<u8>, String> {
        let mut out = BytesMut::new();
        value.to_sql(ty, &mut out).map(|_| out.to_vec()).map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_take_the_size_of_their_column() {
        assert_eq!(sent(&Value::Integer(258), &Type::INT4), Ok(vec![0, 0, 1, 2]));
        assert_eq!(sent(&Value::Integer(-1), &Type::INT8), Ok(vec![255; 8]));
        assert!(sent(&Value::Integer(1 << 40), &Type::INT4).is_err());
        assert!(sent(&Value::Integer(1), &Type::TEXT).is_err());
    }

    #[test]
    fn times_survive() {
        for text in ["2026-11-23T19:21:46.742253Z", "1970-01-01T00:00:00Z", "1969-12-31T23:59:59.5Z"] {
            let time: Timestamp = text.parse().unwrap();
            let bytes = sent(&Value::Time(time), &Type::TIMESTAMPTZ).unwrap();
            assert_eq!(Time::from_sql(&Type::TIMESTAMPTZ, &bytes).unwrap().0, time);
        }
        assert!(Time::from_sql(&Type::TIMESTAMPTZ, &i64::MAX.to_be_bytes()).is_err(), "infinity is no time");
    }
}
