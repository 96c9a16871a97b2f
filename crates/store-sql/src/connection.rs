//! What every database gives us: statements with values, rows with columns.

use jiff::Timestamp;
use steeple_store::{ErrorClass, StoreError};

use crate::dialect::Dialect;

pub(crate) type Result<T> = std::result::Result<T, StoreError>;

/// A value bound to a `?` of a statement.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Text(&'a str),
    OwnedText(String),
    Blob(&'a [u8]),
    Time(Timestamp),
}

/// A row of a result, valid while it is looked at. Columns count from 0; `NULL` reads as zero, empty or `None`.
pub(crate) trait Row {
    fn integer(&self, column: usize) -> Result<i64>;
    fn text(&self, column: usize) -> Result<&str>;
    fn blob(&self, column: usize) -> Result<&[u8]>;
    fn time(&self, column: usize) -> Result<Option<Timestamp>>;

    fn boolean(&self, column: usize) -> Result<bool> {
        Ok(self.integer(column)? != 0)
    }
}

/// A connection within a transaction.
pub(crate) trait Connection {
    /// Whose SQL it speaks.
    fn dialect(&self) -> Dialect;

    /// Whether the transaction writes.
    fn writes(&self) -> bool;

    /// What ends a `SELECT` of records by their key: a write locks them, since it may replace what it has read.
    fn lock(&self) -> &'static str {
        if self.writes() { self.dialect().for_update() } else { "" }
    }

    /// Runs a statement and shows its rows to `each`.
    fn query(
        &mut self,
        statement: &str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<()>,
    ) -> Result<()>;

    /// Runs a statement and returns how many rows it changed.
    fn execute(&mut self, statement: &str, values: &[Value<'_>]) -> Result<usize>;

    /// Runs an `INSERT` of one row into a table of SPIRE's and returns the row's ID.
    fn insert(&mut self, statement: &str, values: &[Value<'_>]) -> Result<i64>;
}

/// Reads the first row of a result.
pub(crate) fn first<T>(
    connection: &mut dyn Connection,
    statement: &str,
    values: &[Value<'_>],
    mut read: impl FnMut(&dyn Row) -> Result<T>,
) -> Result<Option<T>> {
    let mut found = None;
    connection.query(statement, values, &mut |row| {
        if found.is_none() {
            found = Some(read(row)?);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Reads all rows of a result.
pub(crate) fn all<T>(
    connection: &mut dyn Connection,
    statement: &str,
    values: &[Value<'_>],
    mut read: impl FnMut(&dyn Row) -> Result<T>,
) -> Result<Vec<T>> {
    let mut found = Vec::new();
    connection.query(statement, values, &mut |row| {
        found.push(read(row)?);
        Ok(())
    })?;
    Ok(found)
}

/// Reads the number in a result of one row and column, such as a `COUNT(*)`.
pub(crate) fn number(connection: &mut dyn Connection, statement: &str, values: &[Value<'_>]) -> Result<i64> {
    Ok(first(connection, statement, values, |row| row.integer(0))?.unwrap_or_default())
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::OwnedText(text)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Blob(bytes)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Value<'_> {
    fn from(truth: bool) -> Self {
        Self::Boolean(truth)
    }
}

impl From<Timestamp> for Value<'_> {
    fn from(time: Timestamp) -> Self {
        Self::Time(time)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

/// A column holds something else than its table says.
pub(crate) fn unexpected(what: &str) -> StoreError {
    StoreError::new(ErrorClass::Internal, format!("datastore-sql: the database holds what it should not: {what}"))
}
