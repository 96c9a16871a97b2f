//! SPIRE's event tables, `registered_entries_events` and `attested_node_entries_events`.

use std::ops::RangeInclusive;

use jiff::Timestamp;
use steeple_store::{ChangeKind, Event};

use crate::connection::{Connection, Result, Value, all, number};
use crate::filters::Conditions;

/// The table of a kind and its column with the key of the record; `None` for kinds of whose changes SPIRE leaves no events.
fn table(kind: ChangeKind) -> Option<(&'static str, &'static str)> {
    match kind {
        ChangeKind::Entry => Some(("registered_entries_events", "entry_id")),
        ChangeKind::Node => Some(("attested_node_entries_events", "spiffe_id")),
        ChangeKind::Bundle | ChangeKind::Relationship => None,
    }
}

/// Adds the event of a change of ours and returns its ID.
pub(crate) fn insert(
    connection: &mut dyn Connection,
    kind: ChangeKind,
    key: &str,
    now: Timestamp,
) -> Result<Option<i64>> {
    let Some((table, column)) = table(kind) else { return Ok(None) };
    let insert = format!("INSERT INTO {table} (created_at, updated_at, {column}) VALUES (?, ?, ?)");
    connection.insert(&insert, &[now.into(), now.into(), key.into()]).map(Some)
}

pub(crate) fn last(connection: &mut dyn Connection, kind: ChangeKind) -> Result<u64> {
    let Some((table, _)) = table(kind) else { return Ok(0) };
    number(connection, &format!("SELECT MAX(id) FROM {table}"), &[]).map(i64::unsigned_abs)
}

/// The events with IDs in one of the ranges; those that the change log has are marked.
pub(crate) fn within(
    connection: &mut dyn Connection,
    kind: ChangeKind,
    ids: &[RangeInclusive<u64>],
    limit: usize,
) -> Result<Vec<Event>> {
    let Some((table, column)) = table(kind).filter(|_| !ids.is_empty()) else { return Ok(Vec::new()) };
    let greatest = connection.dialect().last_row();
    let bound = |id: &u64| Value::Integer(i64::try_from(*id).unwrap_or(greatest).min(greatest));
    let ranges = vec!["E.id BETWEEN ? AND ?"; ids.len()].join(" OR ");
    let statement = format!(
        "SELECT E.id, E.{column}, C.revision FROM {table} E \
         LEFT JOIN steeple_changes C ON C.event = E.id AND C.kind = '{}' WHERE {ranges} ORDER BY E.id LIMIT {limit}",
        kind.name()
    );
    let values: Vec<Value<'_>> = ids.iter().flat_map(|range| [bound(range.start()), bound(range.end())]).collect();
    all(connection, &statement, &values, |row| {
        let id = row.integer(0)?.unsigned_abs();
        Ok(Event { kind, id, key: row.text(1)?.to_owned(), is_logged: row.integer(2)? != 0 })
    })
}

/// Whether the change log has the event.
pub(crate) fn is_logged(connection: &mut dyn Connection, event: &Event) -> Result<bool> {
    let statement = "SELECT COUNT(*) FROM steeple_changes WHERE event = ? AND kind = ?";
    Ok(number(connection, statement, &[id_of(event).into(), event.kind.name().into()])? != 0)
}

/// The ID as the change log stores it.
pub(crate) fn id_of(event: &Event) -> i64 {
    i64::try_from(event.id).unwrap_or(i64::MAX)
}

pub(crate) fn prune(connection: &mut dyn Connection, before: Timestamp) -> Result<()> {
    for (table, _) in ChangeKind::WITH_EVENTS.into_iter().filter_map(table) {
        let mut conditions = Conditions::new(connection.dialect());
        conditions.add_before("created_at", before);
        connection.execute(&format!("DELETE FROM {table}{}", conditions.sql()), conditions.values())?;
    }
    Ok(())
}
