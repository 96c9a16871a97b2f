//! CA journals: `ca_journals`.

use jiff::Timestamp;
use steeple_store::{CaJournal, StoreError};

use crate::connection::{Connection, Result, all};

pub(crate) fn list(connection: &mut dyn Connection) -> Result<Vec<CaJournal>> {
    let columns = "id, data, active_x509_authority_id, active_jwt_authority_id";
    let statement = format!("SELECT {columns} FROM ca_journals ORDER BY id{}", connection.lock());
    all(connection, &statement, &[], |row| {
        Ok(CaJournal {
            id: row.integer(0)?,
            data: row.blob(1)?.to_vec(),
            active_x509_authority_id: row.text(2)?.to_owned(),
            active_jwt_authority_id: row.text(3)?.to_owned(),
        })
    })
}

pub(crate) fn put(connection: &mut dyn Connection, journal: &CaJournal, now: Timestamp) -> Result<i64> {
    let values = [
        journal.data.as_slice().into(),
        journal.active_x509_authority_id.as_str().into(),
        journal.active_jwt_authority_id.as_str().into(),
        now.into(),
        if journal.id == 0 { now.into() } else { journal.id.into() },
    ];
    if journal.id == 0 {
        let insert = "INSERT INTO ca_journals (data, active_x509_authority_id, active_jwt_authority_id, updated_at, \
                      created_at) VALUES (?, ?, ?, ?, ?)";
        return connection.insert(insert, &values);
    }
    let update = "UPDATE ca_journals SET data = ?, active_x509_authority_id = ?, active_jwt_authority_id = ?, \
                  updated_at = ? WHERE id = ?";
    match connection.execute(update, &values)? {
        0 => Err(StoreError::not_found()),
        _ => Ok(journal.id),
    }
}

pub(crate) fn remove(connection: &mut dyn Connection, row: i64) -> Result<()> {
    connection.execute("DELETE FROM ca_journals WHERE id = ?", &[row.into()])?;
    Ok(())
}
