//! Rows of lists. A record that makes no sense is passed over, which the log tells: it must not keep the others from being used.
//! SPIRE writes less strictly than it reads, and older versions did so even less.

use steeple_store::{ErrorClass, StoreError};
use tracing::warn;

use crate::connection::{Connection, Result, Row, Value};

/// Records, each with the ID of its row.
pub(crate) struct Rows<T> {
    /// What could be read.
    pub(crate) records: Vec<(i64, T)>,
    /// The ID of the last row, whether or not its record could be read.
    pub(crate) last: Option<i64>,
    /// What is the matter with those that could not be read.
    pub(crate) unreadable: Vec<StoreError>,
}

impl<T> Rows<T> {
    /// The records, once the log has told of the others.
    pub(crate) fn passing_over(self) -> Vec<(i64, T)> {
        self.unreadable.iter().for_each(tell);
        self.records
    }
}

/// Reads all rows of a result whose first column is their ID.
pub(super) fn readable_rows<T>(
    connection: &mut dyn Connection,
    statement: &str,
    values: &[Value<'_>],
    mut read: impl FnMut(&dyn Row) -> Result<T>,
) -> Result<Rows<T>> {
    let mut rows = Rows { records: Vec::new(), last: None, unreadable: Vec::new() };
    connection.query(statement, values, &mut |row| {
        let id = row.integer(0)?;
        rows.last = Some(id);
        match read(row) {
            Ok(record) => rows.records.push((id, record)),
            Err(error) if error.class == ErrorClass::Unreadable => rows.unreadable.push(error),
            Err(error) => return Err(error),
        }
        Ok(())
    })?;
    Ok(rows)
}

/// What was read, or nothing, once the log has told of it, if that makes no sense.
pub(super) fn readable<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Err(error) if error.class == ErrorClass::Unreadable => {
            tell(&error);
            Ok(None)
        }
        read => read.map(Some),
    }
}

fn tell(error: &StoreError) {
    warn!(%error, subsystem_name = "sql", "Stored record is passed over");
}
