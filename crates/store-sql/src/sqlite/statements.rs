//! Statements on an SQLite connection.

use jiff::Timestamp;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{ToSql, params_from_iter};

use super::target::Target;
use crate::connection::{Connection, Result, Row, Value, unexpected};
use crate::dialect::Dialect;
use crate::time;

/// A connection within a transaction.
pub(super) struct SqliteConnection<'t> {
    pub(super) connection: &'t rusqlite::Connection,
    pub(super) target: &'t Target,
    pub(super) writes: bool,
}

impl Connection for SqliteConnection<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn writes(&self) -> bool {
        self.writes
    }

    fn query(
        &mut self,
        statement: &str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<()>,
    ) -> Result<()> {
        let failed = |error| self.target.error(&error);
        let mut statement = self.connection.prepare_cached(statement).map_err(failed)?;
        let mut rows = statement.query(params_from_iter(values)).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            each(&SqliteRow(row))?;
        }
        Ok(())
    }

    fn execute(&mut self, statement: &str, values: &[Value<'_>]) -> Result<usize> {
        let failed = |error| self.target.error(&error);
        let mut statement = self.connection.prepare_cached(statement).map_err(failed)?;
        statement.execute(params_from_iter(values)).map_err(failed)
    }

    fn insert(&mut self, statement: &str, values: &[Value<'_>]) -> Result<i64> {
        let failed = |error| self.target.error(&error);
        let mut statement = self.connection.prepare_cached(statement).map_err(failed)?;
        statement.insert(params_from_iter(values)).map_err(failed)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Value::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Value::Boolean(truth) => ToSqlOutput::Borrowed(ValueRef::Integer(i64::from(*truth))),
            Value::Integer(number) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Value::OwnedText(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Value::Blob(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Value::Time(at) => ToSqlOutput::Owned(time::to_text(*at).into()),
        })
    }
}

struct SqliteRow<'r, 's>(&'r rusqlite::Row<'s>);

impl SqliteRow<'_, '_> {
    fn value(&self, column: usize) -> Result<ValueRef<'_>> {
        self.0.get_ref(column).map_err(|error| unexpected(&error.to_string()))
    }
}

impl Row for SqliteRow<'_, '_> {
    fn integer(&self, column: usize) -> Result<i64> {
        match self.value(column)? {
            ValueRef::Null => Ok(0),
            ValueRef::Integer(number) => Ok(number),
            _ => Err(unexpected("a column has no number")),
        }
    }

    fn text(&self, column: usize) -> Result<&str> {
        match self.value(column)? {
            ValueRef::Null => Ok(""),
            ValueRef::Text(text) => std::str::from_utf8(text).map_err(|_| unexpected("a column has no UTF-8")),
            _ => Err(unexpected("a column has no text")),
        }
    }

    fn blob(&self, column: usize) -> Result<&[u8]> {
        match self.value(column)? {
            ValueRef::Null => Ok(&[]),
            ValueRef::Blob(bytes) | ValueRef::Text(bytes) => Ok(bytes),
            _ => Err(unexpected("a column has no bytes")),
        }
    }

    fn time(&self, column: usize) -> Result<Option<Timestamp>> {
        match self.value(column)? {
            ValueRef::Integer(seconds) => Ok(time::from_seconds(seconds)),
            _ => match self.text(column)? {
                "" => Ok(None),
                text => time::from_text(text)
                    .map(Some)
                    .ok_or_else(|| unexpected(&format!("a column has no time but \"{text}\""))),
            },
        }
    }
}
