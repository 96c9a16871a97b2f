//! The change log `steeple_changes` with its counter `steeple_revision`, which are ours, and the event tables, which are SPIRE's.
//!
//! A write holds the counter's row from its first statement to its commit. Writes of several servers therefore follow one
//! another, and a revision that can be seen has all smaller ones before it: who reads the log from where it was misses nothing.

use jiff::Timestamp;
use steeple_store::{Change, ChangeKind};
use steeple_types::Revision;

use crate::connection::{Connection, Result, Value, number};
use crate::dialect::Dialect;
use crate::filters::Conditions;

/// The table of the counter.
pub(crate) const COUNTER: &str = "steeple_revision";

/// Whether the counter, which is the last that [`prepare`] makes, is in its table.
pub(crate) fn is_prepared(connection: &mut dyn Connection) -> Result<bool> {
    Ok(number(connection, "SELECT COUNT(*) FROM steeple_revision", &[])? != 0)
}

/// Makes the tables where they are not there yet.
pub(crate) fn prepare(connection: &mut dyn Connection) -> Result<()> {
    let (key, options) = match connection.dialect() {
        Dialect::Sqlite => ("INTEGER PRIMARY KEY", ""),
        Dialect::Postgres => ("bigint NOT NULL PRIMARY KEY", ""),
        // A text of 2048 characters that all take four bytes is still no part of an index.
        Dialect::MySql => (
            "bigint NOT NULL PRIMARY KEY",
            " ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
        ),
    };
    let log = format!(
        "CREATE TABLE IF NOT EXISTS steeple_changes (revision {key}, kind varchar(32) NOT NULL, changed varchar(2048) NOT NULL, \
         at bigint NOT NULL){options}"
    );
    connection.execute(&log, &[])?;
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
    let event = match kind {
        ChangeKind::Entry => {
            Some("INSERT INTO registered_entries_events (created_at, updated_at, entry_id) VALUES (?, ?, ?)")
        }
        ChangeKind::Node => {
            Some("INSERT INTO attested_node_entries_events (created_at, updated_at, spiffe_id) VALUES (?, ?, ?)")
        }
        ChangeKind::Bundle | ChangeKind::Relationship => None,
    };
    if let Some(event) = event {
        connection.insert(event, &[now.into(), now.into(), key.into()])?;
    }
    let insert = "INSERT INTO steeple_changes (revision, kind, changed, at) VALUES (?, ?, ?, ?)";
    connection.execute(insert, &[of(revision), kind.name().into(), key.into(), now.as_second().into()])?;
    Ok(())
}

pub(crate) fn prune(connection: &mut dyn Connection, before: Timestamp) -> Result<()> {
    for table in ["registered_entries_events", "attested_node_entries_events"] {
        let mut conditions = Conditions::new(connection.dialect());
        conditions.add_before("created_at", before);
        connection.execute(&format!("DELETE FROM {table}{}", conditions.sql()), conditions.values())?;
    }
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
