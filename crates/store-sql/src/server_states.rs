//! What servers tell one another of their indices: `steeple_servers`, which is ours.

use jiff::Timestamp;
use steeple_store::ServerState;
use steeple_types::Revision;

use crate::connection::{Connection, Result, all};
use crate::time;

pub(crate) const TABLE: &str = "steeple_servers";

/// Makes the table where it is not there yet.
pub(crate) fn prepare(connection: &mut dyn Connection) -> Result<()> {
    let table = format!(
        "CREATE TABLE IF NOT EXISTS {TABLE} (instance varchar(64) NOT NULL PRIMARY KEY, name varchar(255) NOT NULL, \
         revision bigint NOT NULL, state varchar(64) NOT NULL, at bigint NOT NULL){}",
        connection.dialect().table_options()
    );
    connection.execute(&table, &[])?;
    Ok(())
}

pub(crate) fn list(connection: &mut dyn Connection) -> Result<Vec<ServerState>> {
    let statement = "SELECT instance, name, revision, state, at FROM steeple_servers ORDER BY instance";
    all(connection, statement, &[], |row| {
        Ok(ServerState {
            instance: row.text(0)?.to_owned(),
            name: row.text(1)?.to_owned(),
            revision: Revision(row.integer(2)?.unsigned_abs()),
            hash: row.text(3)?.to_owned(),
            told_at: time::from_seconds(row.integer(4)?).unwrap_or_default(),
        })
    })
}

pub(crate) fn put(connection: &mut dyn Connection, state: &ServerState) -> Result<()> {
    connection.execute("DELETE FROM steeple_servers WHERE instance = ?", &[state.instance.as_str().into()])?;
    let insert = "INSERT INTO steeple_servers (instance, name, revision, state, at) VALUES (?, ?, ?, ?, ?)";
    let revision = i64::try_from(state.revision.0).unwrap_or(i64::MAX);
    let values = [
        state.instance.as_str().into(),
        state.name.as_str().into(),
        revision.into(),
        state.hash.as_str().into(),
        state.told_at.as_second().into(),
    ];
    connection.execute(insert, &values)?;
    Ok(())
}

pub(crate) fn remove_before(connection: &mut dyn Connection, time: Timestamp) -> Result<()> {
    connection.execute("DELETE FROM steeple_servers WHERE at < ?", &[time.as_second().into()])?;
    Ok(())
}
