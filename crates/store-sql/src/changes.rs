//! The change log `steeple_changes`, which is ours, and the event tables, which are SPIRE's.

use jiff::Timestamp;
use steeple_store::{Change, ChangeKind};
use steeple_types::Revision;

use crate::connection::{Connection, Result, number};

pub(crate) fn last(connection: &mut dyn Connection) -> Result<Revision> {
    revision(connection, "SELECT MAX(revision) FROM steeple_changes")
}

pub(crate) fn oldest(connection: &mut dyn Connection) -> Result<Revision> {
    revision(connection, "SELECT MIN(revision) FROM steeple_changes")
}

pub(crate) fn after(connection: &mut dyn Connection, revision: Revision, limit: usize) -> Result<Vec<Change>> {
    let statement = format!(
        "SELECT revision, kind, changed FROM steeple_changes WHERE revision > ? ORDER BY revision LIMIT {limit}"
    );
    let last = i64::try_from(revision.0).unwrap_or(i64::MAX);
    let mut changes = Vec::new();
    connection.query(&statement, &[last.into()], &mut |row| {
        // A kind that a newer version wrote concerns nobody here.
        if let Some(kind) = ChangeKind::from_name(row.text(1)?) {
            let revision = Revision(row.integer(0)?.unsigned_abs());
            changes.push(Change { revision, kind, key: row.text(2)?.to_owned() });
        }
        Ok(())
    })?;
    Ok(changes)
}

/// Adds a change, and the event by which SPIRE servers on the same database learn of it.
pub(crate) fn record(connection: &mut dyn Connection, kind: ChangeKind, key: &str, now: Timestamp) -> Result<Revision> {
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
    let insert = "INSERT INTO steeple_changes (kind, changed, at) VALUES (?, ?, ?)";
    let revision = connection.insert(insert, &[kind.name().into(), key.into(), now.as_second().into()])?;
    Ok(Revision(revision.unsigned_abs()))
}

pub(crate) fn prune(connection: &mut dyn Connection, before: Timestamp) -> Result<()> {
    for table in ["registered_entries_events", "attested_node_entries_events"] {
        connection.execute(&format!("DELETE FROM {table} WHERE created_at < ?"), &[before.into()])?;
    }
    let last = number(connection, "SELECT MAX(revision) FROM steeple_changes", &[])?;
    let changes = "DELETE FROM steeple_changes WHERE at < ? AND revision < ?";
    connection.execute(changes, &[before.as_second().into(), last.into()])?;
    Ok(())
}

fn revision(connection: &mut dyn Connection, statement: &str) -> Result<Revision> {
    number(connection, statement, &[]).map(|number| Revision(number.unsigned_abs()))
}
