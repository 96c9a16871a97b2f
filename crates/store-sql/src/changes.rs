//! The change log `steeple_changes` with its counter `steeple_revision`.
//!
//! A write holds the counter's row from its first statement to its commit. Writes of several servers therefore follow one
//! another, and a revision that can be seen has all smaller ones before it: who reads the log from where it was misses nothing.

use jiff::Timestamp;
use steeple_store::{Change, ChangeKind};
use steeple_types::Revision;

use crate::connection::{Connection, Result, Value, number};
use crate::dialect::Dialect;
use crate::events;

/// The table of the log.
pub(crate) const LOG: &str = "steeple_changes";
/// The column that says by which of SPIRE's events a change is told.
pub(crate) const EVENT: &str = "event";
/// The table of the counter.
pub(crate) const COUNTER: &str = "steeple_revision";

/// Whether the counter, which is the last that [`prepare`] makes, is in its table.
pub(crate) fn is_prepared(connection: &mut dyn Connection) -> Result<bool> {
    Ok(number(connection, "SELECT COUNT(*) FROM steeple_revision", &[])? != 0)
}

/// Makes the tables where they are not there yet. `has_events` tells whether the log is there with its column of events.
pub(crate) fn prepare(connection: &mut dyn Connection, has_events: bool) -> Result<()> {
    let dialect = connection.dialect();
    let key = match dialect {
        Dialect::Sqlite => "INTEGER PRIMARY KEY",
        Dialect::Postgres | Dialect::MySql => "bigint NOT NULL PRIMARY KEY",
    };
    // A text of 2048 characters that all take four bytes is still no part of an index.
    let options = dialect.table_options();
    let log = format!(
        "CREATE TABLE IF NOT EXISTS steeple_changes (revision {key}, kind varchar(32) NOT NULL, changed varchar(2048) NOT NULL, \
         at bigint NOT NULL){options}"
    );
    connection.execute(&log, &[])?;
    if !has_events {
        let index = "CREATE INDEX steeple_changes_event ON steeple_changes (event)";
        if dialect == Dialect::MySql {
            let both = "ALTER TABLE steeple_changes ADD event bigint, ADD INDEX steeple_changes_event (event)";
            connection.execute(both, &[])?;
        } else {
            connection.execute("ALTER TABLE steeple_changes ADD event bigint", &[])?;
            connection.execute(index, &[])?;
        }
    }
    let counter = format!("CREATE TABLE IF NOT EXISTS steeple_revision (id {key}, latest bigint NOT NULL){options}");
    connection.execute(&counter, &[])?;
    if !is_prepared(connection)? {
        let begin =
            "INSERT INTO steeple_revision (id, latest) SELECT 1, COALESCE(MAX(revision), 0) FROM steeple_changes";
        connection.execute(begin, &[])?;
    }
    Ok(())
}

/// The last revision; in a write nobody else makes another one until the write has ended.
pub(crate) fn last(connection: &mut dyn Connection) -> Result<Revision> {
    let statement = format!("SELECT latest FROM steeple_revision WHERE id = 1{}", connection.lock());
    revision(connection, &statement)
}

/// Keeps `last` as the last revision.
pub(crate) fn advance(connection: &mut dyn Connection, last: Revision) -> Result<()> {
    connection.execute("UPDATE steeple_revision SET latest = ? WHERE id = 1", &[of(last)])?;
    Ok(())
}

pub(crate) fn oldest(connection: &mut dyn Connection) -> Result<Revision> {
    revision(connection, "SELECT MIN(revision) FROM steeple_changes")
}

pub(crate) fn after(connection: &mut dyn Connection, revision: Revision, limit: usize) -> Result<Vec<Change>> {
    let statement = format!(
        "SELECT revision, kind, changed FROM steeple_changes WHERE revision > ? ORDER BY revision LIMIT {limit}"
    );
    let mut changes = Vec::new();
    connection.query(&statement, &[of(revision)], &mut |row| {
        // A kind that a newer version wrote concerns nobody here.
        if let Some(kind) = ChangeKind::from_name(row.text(1)?) {
            let revision = Revision(row.integer(0)?.unsigned_abs());
            changes.push(Change { revision, kind, key: row.text(2)?.to_owned() });
        }
        Ok(())
    })?;
    Ok(changes)
}

/// Adds the change `revision`, and the event by which SPIRE servers on the same database learn of it.
pub(crate) fn record(
    connection: &mut dyn Connection,
    revision: Revision,
    kind: ChangeKind,
    key: &str,
    now: Timestamp,
) -> Result<()> {
    let event = events::insert(connection, kind, key, now)?;
    log(connection, revision, kind, key, event, now)
}

/// Adds the change `revision`, told by `event` if the kind has events.
pub(crate) fn log(
    connection: &mut dyn Connection,
    revision: Revision,
    kind: ChangeKind,
    key: &str,
    event: Option<i64>,
    now: Timestamp,
) -> Result<()> {
    let insert = "INSERT INTO steeple_changes (revision, kind, changed, at, event) VALUES (?, ?, ?, ?, ?)";
    let values = [of(revision), kind.name().into(), key.into(), now.as_second().into(), event.into()];
    connection.execute(insert, &values)?;
    Ok(())
}

pub(crate) fn prune(connection: &mut dyn Connection, before: Timestamp) -> Result<()> {
    events::prune(connection, before)?;
    // The last change stays: by it a reader sees whether it has missed others.
    let last = number(connection, "SELECT MAX(revision) FROM steeple_changes", &[])?;
    let changes = "DELETE FROM steeple_changes WHERE at < ? AND revision < ?";
    connection.execute(changes, &[before.as_second().into(), last.into()])?;
    Ok(())
}

fn of(revision: Revision) -> Value<'static> {
    Value::Integer(i64::try_from(revision.0).unwrap_or(i64::MAX))
}

fn revision(connection: &mut dyn Connection, statement: &str) -> Result<Revision> {
    number(connection, statement, &[]).map(|number| Revision(number.unsigned_abs()))
}
