//! Reads of registration entries: `registered_entries`, `selectors`, `dns_names`, `federated_registration_entries`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use prost::Message;
use steeple_proto::spire::common::registration_entry::AdditionalAttributes;
use steeple_store::{EntryFilter, ErrorClass, Page, Paged, StoreError};
use steeple_types::{Entry, EntryId, Selector, SelectorSet, TrustDomain};

use super::children::chunks;
use super::{Rows, readable, readable_rows, spiffe_id, trust_domain, unreadable};
use crate::connection::{Connection, Result, Row, Value, all, number};
use crate::filters::{Conditions, of_entries};
use crate::{paging, time};

const COLUMNS: &str = "id, entry_id, spiffe_id, parent_id, ttl, jwt_svid_ttl, admin, downstream, expiry, \
                       revision_number, store_svid, hint, created_at, additional_attributes";

/// Most entries of one pruning.
const PRUNE_BATCH: usize = 10_000;

pub(crate) fn by_id(connection: &mut dyn Connection, id: &EntryId) -> Result<Option<Entry>> {
    let conditions = Conditions::exactly(connection.dialect(), "entry_id", id.as_str());
    let lock = connection.lock();
    let mut found = load(connection, &conditions, lock)?;
    match found.unreadable.pop() {
        Some(error) => Err(error),
        None => Ok(found.records.pop().map(|(_, entry)| entry)),
    }
}

pub(crate) fn list(connection: &mut dyn Connection, filter: &EntryFilter, page: &Page) -> Result<Paged<Entry>> {
    let mut conditions = of_entries(connection.dialect(), filter);
    let limit = paging::limit(&mut conditions, page, "id")?;
    Ok(paging::paged(load(connection, &conditions, &limit)?, page))
}

pub(crate) fn count(connection: &mut dyn Connection, filter: &EntryFilter) -> Result<u64> {
    let conditions = of_entries(connection.dialect(), filter);
    let statement = format!("SELECT COUNT(*) FROM registered_entries{}", conditions.sql());
    number(connection, &statement, conditions.values()).map(i64::unsigned_abs)
}

/// The first entry with the SPIFFE ID, parent and selectors of `entry`.
///
/// Looks by SPIFFE ID alone and compares the rest here: the other indices are of no use in a large database, where a parent or a
/// selector may belong to most of the entries.
pub(crate) fn similar(connection: &mut dyn Connection, entry: &Entry) -> Result<Option<Entry>> {
    let conditions = Conditions::exactly(connection.dialect(), "spiffe_id", entry.spiffe_id.as_str());
    let statement = format!("SELECT id, parent_id FROM registered_entries{} ORDER BY id", conditions.sql());
    let mut rows = Vec::new();
    connection.query(&statement, conditions.values(), &mut |row| {
        if row.text(1)? == entry.parent_id.as_str() {
            rows.push(row.integer(0)?);
        }
        Ok(())
    })?;
    for chunk in chunks(&rows, "id") {
        let mut conditions = Conditions::new(connection.dialect());
        conditions.add(chunk.condition.clone(), chunk.values.iter().cloned());
        let found = load(connection, &conditions, " ORDER BY id")?.passing_over();
        if let Some((_, similar)) = found.into_iter().find(|(_, found)| found.is_similar(entry)) {
            return Ok(Some(similar));
        }
    }
    Ok(None)
}

pub(crate) fn expired_before(connection: &mut dyn Connection, time: Timestamp) -> Result<Vec<Entry>> {
    let mut conditions = Conditions::new(connection.dialect());
    conditions.add("expiry <> 0", []);
    conditions.add("expiry < ?", [time.as_second().into()]);
    let found = load(connection, &conditions, &format!(" ORDER BY id LIMIT {PRUNE_BATCH}"))?.passing_over();
    Ok(found.into_iter().map(|(_, entry)| entry).collect())
}

pub(crate) fn federating_with(connection: &mut dyn Connection, trust_domain: &TrustDomain) -> Result<Vec<EntryId>> {
    let statement = "SELECT E.entry_id FROM registered_entries E \
                     INNER JOIN federated_registration_entries F ON F.registered_entry_id = E.id \
                     INNER JOIN bundles B ON B.id = F.bundle_id WHERE B.trust_domain = ? ORDER BY E.id";
    let ids = all(connection, statement, &[trust_domain.id_string().into()], |row| readable(entry_id(row.text(0)?)))?;
    Ok(ids.into_iter().flatten().collect())
}

/// Loads the entries that meet `conditions`.
///
/// An entry of which a part makes no sense is left out whole: without one of its selectors it would be for more workloads.
fn load(connection: &mut dyn Connection, conditions: &Conditions<'_>, end: &str) -> Result<Rows<Entry>> {
    let statement = format!("SELECT {COLUMNS} FROM registered_entries{}{end}", conditions.sql());
    let mut rows = readable_rows(connection, &statement, conditions.values(), read)?;
    let entries = &mut rows.records;
    let ids: Vec<i64> = entries.iter().map(|(id, _)| *id).collect();
    let mut spoiled = attach_selectors(connection, &ids, entries)?;
    spoiled.extend(attach(connection, &ids, entries, DNS_NAMES, &mut |entry, row| {
        entry.dns_names.push(row.text(1)?.to_owned());
        Ok(())
    })?);
    spoiled.extend(attach(connection, &ids, entries, TRUST_DOMAINS, &mut |entry, row| {
        entry.federates_with.push(trust_domain(row.text(1)?, "entry", entry.id.as_str())?);
        Ok(())
    })?);
    entries.retain(|(row, _)| !spoiled.contains_key(row));
    rows.unreadable.extend(spoiled.into_values());
    Ok(rows)
}

/// Where children of entries are: their owner's column, the statement up to `WHERE`, and their order.
#[derive(Clone, Copy)]
struct Children {
    owner: &'static str,
    select: &'static str,
    order: &'static str,
}

const DNS_NAMES: Children = Children {
    owner: "registered_entry_id",
    select: "SELECT registered_entry_id, value FROM dns_names",
    order: "registered_entry_id, id",
};

const TRUST_DOMAINS: Children = Children {
    owner: "F.registered_entry_id",
    select: "SELECT F.registered_entry_id, B.trust_domain FROM federated_registration_entries F \
             INNER JOIN bundles B ON B.id = F.bundle_id",
    order: "F.registered_entry_id, B.trust_domain",
};

const SELECTORS: Children = Children {
    owner: "registered_entry_id",
    select: "SELECT registered_entry_id, type, value FROM selectors",
    order: "registered_entry_id, type, value",
};

/// Why entries can't be read, by the IDs of their rows.
type Spoiled = BTreeMap<i64, StoreError>;

/// Adds children to their entries; yields the entries with children that make no sense.
fn attach(
    connection: &mut dyn Connection,
    ids: &[i64],
    entries: &mut [(i64, Entry)],
    children: Children,
    add: &mut dyn FnMut(&mut Entry, &dyn Row) -> Result<()>,
) -> Result<Spoiled> {
    let mut spoiled = Spoiled::new();
    let mut rest = entries;
    for chunk in chunks(ids, children.owner) {
        let (owners, after) = rest.split_at_mut(chunk.ids.len().min(rest.len()));
        let Children { select, order, .. } = children;
        let statement = format!("{select} WHERE {} ORDER BY {order}", chunk.condition);
        connection.query(&statement, &chunk.values, &mut |row| match chunk
            .place(row.integer(0)?)
            .and_then(|place| owners.get_mut(place))
        {
            Some((id, entry)) => match add(entry, row) {
                Err(error) if error.class == ErrorClass::Unreadable => {
                    spoiled.insert(*id, error);
                    Ok(())
                }
                added => added,
            },
            None => Ok(()),
        })?;
        rest = after;
    }
    Ok(spoiled)
}

/// Selector sets are built at once from their members, so these are gathered first.
fn attach_selectors(connection: &mut dyn Connection, ids: &[i64], entries: &mut [(i64, Entry)]) -> Result<Spoiled> {
    let mut gathered: Vec<(EntryId, Vec<Selector>)> = Vec::new();
    let spoiled = attach(connection, ids, entries, SELECTORS, &mut |entry, row| {
        let selector =
            Selector::new(row.text(1)?, row.text(2)?).map_err(|error| unreadable("entry", entry.id.as_str(), error))?;
        match gathered.last_mut() {
            Some((id, selectors)) if *id == entry.id => selectors.push(selector),
            _ => gathered.push((entry.id.clone(), vec![selector])),
        }
        Ok(())
    })?;
    let mut gathered = gathered.into_iter().peekable();
    for (_, entry) in entries {
        if let Some((_, selectors)) = gathered.next_if(|(id, _)| *id == entry.id) {
            entry.selectors = SelectorSet::from_iter(selectors);
        }
    }
    Ok(spoiled)
}

fn read(row: &dyn Row) -> Result<Entry> {
    let id = entry_id(row.text(1)?)?;
    let key = id.as_str();
    let seconds = |column| {
        u32::try_from(row.integer(column)?).map_err(|_| unreadable("entry", key, "a lifetime is out of range"))
    };
    let attributes = AdditionalAttributes::decode(row.blob(13)?).map_err(|error| unreadable("entry", key, error))?;
    Ok(Entry {
        spiffe_id: spiffe_id(row.text(2)?, "entry", key)?,
        parent_id: spiffe_id(row.text(3)?, "entry", key)?,
        selectors: SelectorSet::default(),
        x509_svid_ttl: seconds(4)?,
        jwt_svid_ttl: seconds(5)?,
        federates_with: Vec::new(),
        admin: row.boolean(6)?,
        downstream: row.boolean(7)?,
        expires_at: time::from_seconds(row.integer(8)?),
        dns_names: Vec::new(),
        revision_number: row.integer(9)?,
        store_svid: row.boolean(10)?,
        hint: row.text(11)?.to_owned(),
        created_at: row.time(12)?.map(time::rounded).unwrap_or_default(),
        disable_x509_svid_prefetch: attributes.disable_x509_svid_prefetch,
        jwt_svid_include_jti: attributes.jwt_svid_include_jti,
        id,
    })
}

fn entry_id(text: &str) -> Result<EntryId> {
    EntryId::parse(text).map_err(|error| unreadable("entry", text, error))
}

/// The stored form of what has no column of its own.
pub(super) fn attributes(entry: &Entry) -> Vec<u8> {
    AdditionalAttributes {
        disable_x509_svid_prefetch: entry.disable_x509_svid_prefetch,
        jwt_svid_include_jti: entry.jwt_svid_include_jti,
    }
    .encode_to_vec()
}

/// The values of an entry's own columns, in the order of `spiffe_id, parent_id, ttl, jwt_svid_ttl, admin, downstream, expiry,
/// revision_number, store_svid, hint, additional_attributes`.
pub(super) fn own_values<'a>(entry: &'a Entry, attributes: &'a [u8]) -> [Value<'a>; 11] {
    [
        entry.spiffe_id.as_str().into(),
        entry.parent_id.as_str().into(),
        i64::from(entry.x509_svid_ttl).into(),
        i64::from(entry.jwt_svid_ttl).into(),
        entry.admin.into(),
        entry.downstream.into(),
        time::to_seconds(entry.expires_at).into(),
        entry.revision_number.into(),
        entry.store_svid.into(),
        entry.hint.as_str().into(),
        attributes.into(),
    ]
}
