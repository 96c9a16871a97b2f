//! Attested nodes: `attested_node_entries`, `node_resolver_map_entries`.

use jiff::Timestamp;
use steeple_store::{NodeFilter, Page, Paged};
use steeple_types::{AttestedNode, Selector, SelectorSet, SpiffeId};

use super::{readable, readable_rows, spiffe_id, unreadable};
use crate::connection::{Connection, Result, Row, Value, all, first, number};
use crate::filters::{Conditions, of_nodes};
use crate::paging;

const COLUMNS: &str = "id, spiffe_id, data_type, serial_number, expires_at, new_serial_number, new_expires_at, \
                       can_reattest, agent_version";

/// From how many nodes on their selectors are read all at once.
const MANY: usize = 200;

pub(crate) fn by_id(connection: &mut dyn Connection, id: &SpiffeId) -> Result<Option<AttestedNode>> {
    let conditions = of_id(connection, id);
    let statement = format!("SELECT {COLUMNS} FROM attested_node_entries{}{}", conditions.sql(), connection.lock());
    let Some(mut node) = first(connection, &statement, conditions.values(), read)? else { return Ok(None) };
    node.selectors = selectors(connection, id)?;
    Ok(Some(node))
}

pub(crate) fn list(connection: &mut dyn Connection, filter: &NodeFilter, page: &Page) -> Result<Paged<AttestedNode>> {
    let mut conditions = of_nodes(connection.dialect(), filter);
    let limit = paging::limit(&mut conditions, page, "id")?;
    let statement = format!("SELECT {COLUMNS} FROM attested_node_entries{}{limit}", conditions.sql());
    let mut rows = readable_rows(connection, &statement, conditions.values(), read)?;
    if rows.records.len() < MANY {
        for (_, node) in &mut rows.records {
            node.selectors = selectors(connection, &node.id)?;
        }
    } else {
        attach_all_selectors(connection, &mut rows.records)?;
    }
    Ok(paging::paged(rows, page))
}

pub(crate) fn count(connection: &mut dyn Connection, filter: &NodeFilter) -> Result<u64> {
    let conditions = of_nodes(connection.dialect(), filter);
    let statement = format!("SELECT COUNT(*) FROM attested_node_entries{}", conditions.sql());
    number(connection, &statement, conditions.values()).map(i64::unsigned_abs)
}

pub(crate) fn put(connection: &mut dyn Connection, node: &AttestedNode, now: Timestamp) -> Result<()> {
    // SPIRE stores an unknown expiry as the beginning of Unix time.
    let expires_at = node.expires_at.unwrap_or(Timestamp::UNIX_EPOCH);
    let values: [Value<'_>; 8] = [
        node.attestation_type.as_str().into(),
        node.serial_number.as_str().into(),
        expires_at.into(),
        node.new_serial_number.as_str().into(),
        node.new_expires_at.into(),
        node.can_reattest.into(),
        node.agent_version.as_str().into(),
        now.into(),
    ];
    let conditions = of_id(connection, &node.id);
    let update = format!(
        "UPDATE attested_node_entries SET data_type = ?, serial_number = ?, expires_at = ?, new_serial_number = ?, \
         new_expires_at = ?, can_reattest = ?, agent_version = ?, updated_at = ?{}",
        conditions.sql()
    );
    if connection.execute(&update, &conditions.after(values.clone()))? == 0 {
        let insert = "INSERT INTO attested_node_entries (data_type, serial_number, expires_at, new_serial_number, \
                      new_expires_at, can_reattest, agent_version, updated_at, spiffe_id, created_at) \
                      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let mut values = values.to_vec();
        values.extend([node.id.as_str().into(), now.into()]);
        connection.insert(insert, &values)?;
    }
    if selectors(connection, &node.id)? != node.selectors {
        remove_selectors(connection, &node.id)?;
        for selector in &node.selectors {
            let insert = "INSERT INTO node_resolver_map_entries (created_at, updated_at, spiffe_id, type, value) \
                          VALUES (?, ?, ?, ?, ?)";
            let id = node.id.as_str();
            let values = [now.into(), now.into(), id.into(), selector.kind().into(), selector.value().into()];
            connection.insert(insert, &values)?;
        }
    }
    Ok(())
}

pub(crate) fn remove(connection: &mut dyn Connection, id: &SpiffeId) -> Result<()> {
    remove_selectors(connection, id)?;
    let conditions = of_id(connection, id);
    connection.execute(&format!("DELETE FROM attested_node_entries{}", conditions.sql()), conditions.values())?;
    Ok(())
}

/// The condition that picks what belongs to the node `id`.
fn of_id<'a>(connection: &dyn Connection, id: &'a SpiffeId) -> Conditions<'a> {
    Conditions::exactly(connection.dialect(), "spiffe_id", id.as_str())
}

fn remove_selectors(connection: &mut dyn Connection, id: &SpiffeId) -> Result<()> {
    let conditions = of_id(connection, id);
    connection.execute(&format!("DELETE FROM node_resolver_map_entries{}", conditions.sql()), conditions.values())?;
    Ok(())
}

fn selectors(connection: &mut dyn Connection, id: &SpiffeId) -> Result<SelectorSet> {
    let conditions = of_id(connection, id);
    let statement = format!("SELECT spiffe_id, type, value FROM node_resolver_map_entries{}", conditions.sql());
    let selectors = all(connection, &statement, conditions.values(), |row| readable(selector(row)))?;
    Ok(selectors.into_iter().flatten().collect())
}

fn attach_all_selectors(connection: &mut dyn Connection, nodes: &mut [(i64, AttestedNode)]) -> Result<()> {
    let mut selectors = std::collections::HashMap::<String, Vec<Selector>>::new();
    let statement = "SELECT spiffe_id, type, value FROM node_resolver_map_entries";
    connection.query(statement, &[], &mut |row| {
        let Some(selector) = readable(selector(row))? else { return Ok(()) };
        let id = row.text(0)?;
        match selectors.get_mut(id) {
            Some(known) => known.push(selector),
            None => drop(selectors.insert(id.to_owned(), vec![selector])),
        }
        Ok(())
    })?;
    for (_, node) in nodes {
        if let Some(selectors) = selectors.remove(node.id.as_str()) {
            node.selectors = SelectorSet::from_iter(selectors);
        }
    }
    Ok(())
}

/// Without one that makes no sense a node has fewer selectors, and no more entries are for it.
fn selector(row: &dyn Row) -> Result<Selector> {
    Selector::new(row.text(1)?, row.text(2)?)
        .map_err(|error| unreadable("node", row.text(0).unwrap_or_default(), error))
}

fn read(row: &dyn Row) -> Result<AttestedNode> {
    let id = row.text(1)?;
    let id = spiffe_id(id, "node", id)?;
    let known = |time: &Timestamp| *time != Timestamp::UNIX_EPOCH;
    Ok(AttestedNode {
        id,
        attestation_type: row.text(2)?.to_owned(),
        serial_number: row.text(3)?.to_owned(),
        expires_at: row.time(4)?.filter(known),
        new_serial_number: row.text(5)?.to_owned(),
        new_expires_at: row.time(6)?.filter(known),
        can_reattest: row.boolean(7)?,
        agent_version: row.text(8)?.to_owned(),
        selectors: SelectorSet::default(),
    })
}
