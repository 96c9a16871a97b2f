//! SPIRE's schema: made, recognised, and brought from 23 or 24 to 25.

use jiff::Timestamp;
use steeple_store::{ErrorClass, StoreError};

use crate::connection::{Connection, Result, first, number};

/// The schema version that this code reads and writes, that of SPIRE 1.15.
const VERSION: i64 = 25;
/// The oldest schema version that is migrated, that of the minor release before.
const OLDEST: i64 = 23;
/// The version written beside the schema's. SPIRE parses it, and writes its own when that is greater, so an ordinary release
/// of SPIRE's keeps the way back open.
const CODE_VERSION: &str = "1.15.3";

const SQLITE: &str = include_str!("schema/sqlite.sql");

const CHANGES: &str = "CREATE TABLE IF NOT EXISTS steeple_changes (revision INTEGER PRIMARY KEY AUTOINCREMENT, \
                       kind varchar(32) NOT NULL, changed varchar(2048) NOT NULL, at bigint NOT NULL)";

/// Where the schema of an opened database came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaOrigin {
    /// The database was empty; the schema was made.
    Created,
    /// The schema was there.
    Found,
    /// The schema was there in this older version, and was migrated.
    Migrated {
        /// The version before.
        from: i64,
    },
}

/// Brings the schema into shape.
pub(crate) fn prepare(connection: &mut dyn Connection, now: Timestamp, may_migrate: bool) -> Result<SchemaOrigin> {
    let exists = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'migrations'";
    let origin = if number(connection, exists, &[])? == 0 {
        create(connection, now)?;
        SchemaOrigin::Created
    } else {
        let version = first(connection, "SELECT version FROM migrations ORDER BY id", &[], |row| row.integer(0))?;
        upgrade(connection, version.unwrap_or_default(), now, may_migrate)?
    };
    connection.execute(CHANGES, &[])?;
    Ok(origin)
}

fn create(connection: &mut dyn Connection, now: Timestamp) -> Result<()> {
    for statement in SQLITE.lines().filter(|line| !line.starts_with("--")) {
        connection.execute(statement, &[])?;
    }
    let version = "INSERT INTO migrations (created_at, updated_at, version, code_version) VALUES (?, ?, ?, ?)";
    connection.insert(version, &[now.into(), now.into(), VERSION.into(), CODE_VERSION.into()])?;
    Ok(())
}

fn upgrade(connection: &mut dyn Connection, version: i64, now: Timestamp, may_migrate: bool) -> Result<SchemaOrigin> {
    if version == VERSION {
        return Ok(SchemaOrigin::Found);
    }
    if version > VERSION {
        return refuse(
            &format!("is newer than {VERSION}, the newest that this version knows; use a newer version"),
            version,
        );
    }
    if version < OLDEST {
        return refuse(
            &format!("is older than {OLDEST}, the oldest that is migrated; let SPIRE 1.15 migrate it first"),
            version,
        );
    }
    if !may_migrate {
        return refuse(&format!("has to be migrated to {VERSION}; unset disable_migration"), version);
    }
    if version < 24 {
        connection.execute("ALTER TABLE attested_node_entries ADD \"agent_version\" varchar(255)", &[])?;
    }
    connection.execute("ALTER TABLE registered_entries ADD \"additional_attributes\" blob", &[])?;
    let migrated = "UPDATE migrations SET version = ?, code_version = ?, updated_at = ?";
    connection.execute(migrated, &[VERSION.into(), CODE_VERSION.into(), now.into()])?;
    Ok(SchemaOrigin::Migrated { from: version })
}

fn refuse(reason: &str, version: i64) -> Result<SchemaOrigin> {
    let message = format!("datastore-sql: schema version {version} of the database {reason}");
    Err(StoreError::new(ErrorClass::Unfit, message))
}
