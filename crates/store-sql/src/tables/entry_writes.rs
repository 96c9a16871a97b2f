//! Writes of registration entries.

use jiff::Timestamp;
use steeple_store::{ErrorClass, StoreError};
use steeple_types::{Entry, EntryId};

use super::entries::{attributes, own_values};
use crate::connection::{Connection, Result, Value, number};
use crate::filters::Conditions;

/// The tables whose rows hang on an entry.
const CHILDREN: [&str; 3] = ["selectors", "dns_names", "federated_registration_entries"];

pub(crate) fn insert(connection: &mut dyn Connection, entry: &Entry, now: Timestamp) -> Result<()> {
    let statement = "INSERT INTO registered_entries (spiffe_id, parent_id, ttl, jwt_svid_ttl, admin, downstream, expiry, \
                     revision_number, store_svid, hint, additional_attributes, entry_id, created_at, updated_at) \
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let attributes = attributes(entry);
    let mut values = own_values(entry, &attributes).to_vec();
    values.extend([entry.id.as_str().into(), entry.created_at.into(), now.into()]);
    let row = connection.insert(statement, &values)?;
    insert_children(connection, row, entry, now)
}

pub(crate) fn replace(connection: &mut dyn Connection, entry: &Entry, now: Timestamp) -> Result<()> {
    let row = row_of(connection, &entry.id)?;
    let statement = "UPDATE registered_entries SET spiffe_id = ?, parent_id = ?, ttl = ?, jwt_svid_ttl = ?, admin = ?, \
                     downstream = ?, expiry = ?, revision_number = ?, store_svid = ?, hint = ?, \
                     additional_attributes = ?, updated_at = ? WHERE id = ?";
    let attributes = attributes(entry);
    let mut values = own_values(entry, &attributes).to_vec();
    values.extend([now.into(), row.into()]);
    connection.execute(statement, &values)?;
    remove_children(connection, row)?;
    insert_children(connection, row, entry, now)
}

pub(crate) fn remove(connection: &mut dyn Connection, id: &EntryId) -> Result<()> {
    let row = row_of(connection, id)?;
    remove_children(connection, row)?;
    connection.execute("DELETE FROM registered_entries WHERE id = ?", &[row.into()])?;
    Ok(())
}

fn row_of(connection: &mut dyn Connection, id: &EntryId) -> Result<i64> {
    let conditions = Conditions::exactly(connection.dialect(), "entry_id", id.as_str());
    let statement = format!("SELECT id FROM registered_entries{}{}", conditions.sql(), connection.lock());
    match number(connection, &statement, conditions.values())? {
        0 => Err(StoreError::not_found()),
        row => Ok(row),
    }
}

fn remove_children(connection: &mut dyn Connection, row: i64) -> Result<()> {
    for table in CHILDREN {
        connection.execute(&format!("DELETE FROM {table} WHERE registered_entry_id = ?"), &[row.into()])?;
    }
    Ok(())
}

fn insert_children(connection: &mut dyn Connection, row: i64, entry: &Entry, now: Timestamp) -> Result<()> {
    let times = || [Value::from(now), Value::from(now), Value::from(row)];
    for selector in &entry.selectors {
        let statement = "INSERT INTO selectors (created_at, updated_at, registered_entry_id, type, value) \
                         VALUES (?, ?, ?, ?, ?)";
        let [created, updated, owner] = times();
        connection.insert(statement, &[created, updated, owner, selector.kind().into(), selector.value().into()])?;
    }
    for name in &entry.dns_names {
        let statement =
            "INSERT INTO dns_names (created_at, updated_at, registered_entry_id, value) VALUES (?, ?, ?, ?)";
        let [created, updated, owner] = times();
        connection.insert(statement, &[created, updated, owner, name.as_str().into()])?;
    }
    let mut federates_with = entry.federates_with.clone();
    federates_with.sort_unstable();
    federates_with.dedup();
    for trust_domain in &federates_with {
        let statement = "INSERT INTO federated_registration_entries (bundle_id, registered_entry_id) \
                         SELECT id, ? FROM bundles WHERE trust_domain = ?";
        let linked = connection.execute(statement, &[row.into(), trust_domain.id_string().into()])?;
        if linked == 0 {
            let message = format!("unable to find federated bundle \"{}\"", trust_domain.id_string());
            return Err(StoreError::new(ErrorClass::Internal, message));
        }
    }
    Ok(())
}
