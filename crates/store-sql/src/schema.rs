//! SPIRE's schema: made, recognised, and brought from 23 or 24 to 25.

use jiff::Timestamp;
use steeple_store::{ErrorClass, StoreError};
use tracing::{debug, error, info, warn};

use crate::changes;
use crate::connection::{Connection, Result, first, number};
use crate::dialect::Dialect;
use crate::pool::SCHEMA_LOCK;
use crate::version::Version;
use crate::{documents, server_states};

/// The schema version that this code reads and writes, that of SPIRE 1.15.
const VERSION: i64 = 25;
/// The oldest schema version that is migrated, that of the minor release before.
const OLDEST: i64 = 23;
/// What servers of ours agree to hold while they do so, in PostgreSQL. A number that nobody else is likely to use.
const TURN: i64 = 0x7374_6565_706c_6531;

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

/// Brings the schema into shape, one server after the other.
pub(crate) fn prepare(connection: &mut dyn Connection, now: Timestamp, may_migrate: bool) -> Result<SchemaOrigin> {
    match connection.dialect() {
        // A write of SQLite has the file for itself.
        Dialect::Sqlite => in_turn(connection, now, may_migrate),
        Dialect::Postgres => {
            connection.query(&format!("SELECT pg_advisory_xact_lock({TURN})"), &[], &mut |_| Ok(()))?;
            in_turn(connection, now, may_migrate)
        }
        // Statements that change a schema end a transaction, so the lock belongs to the session.
        Dialect::MySql => {
            let name = "SHA1(CONCAT('steeple/', DATABASE()))";
            let patience = SCHEMA_LOCK.as_secs();
            if number(connection, &format!("SELECT GET_LOCK({name}, {patience})"), &[])? != 1 {
                let message =
                    "datastore-sql: another server is making or migrating the schema; start again when it is done";
                return Err(StoreError::new(ErrorClass::Unavailable, message));
            }
            let outcome = in_turn(connection, now, may_migrate);
            let released = number(connection, &format!("SELECT RELEASE_LOCK({name})"), &[]);
            outcome.and_then(|origin| released.map(|_| origin))
        }
    }
}

fn in_turn(connection: &mut dyn Connection, now: Timestamp, may_migrate: bool) -> Result<SchemaOrigin> {
    let stored = if has_table(connection, "migrations")? {
        let statement = "SELECT version, code_version FROM migrations ORDER BY id";
        first(connection, statement, &[], |row| Ok((row.integer(0)?, row.text(1)?.to_owned())))?
    } else {
        None
    };
    let origin = if let Some((version, code)) = stored {
        upgrade(connection, version, &code, now, may_migrate)?
    } else {
        create(connection, now)?;
        SchemaOrigin::Created
    };
    // Who may not make tables can use those that are there.
    let has_events = has_table(connection, changes::LOG)? && has_column(connection, changes::LOG, changes::EVENT)?;
    if !has_events || !has_table(connection, changes::COUNTER)? || !changes::is_prepared(connection)? {
        changes::prepare(connection, has_events)?;
    }
    if !has_table(connection, server_states::TABLE)? {
        server_states::prepare(connection)?;
    }
    if !has_table(connection, documents::TABLE)? {
        documents::prepare(connection)?;
    }
    Ok(origin)
}

fn create(connection: &mut dyn Connection, now: Timestamp) -> Result<()> {
    info!(subsystem_name = "sql", "Initializing new database");
    let statements = match connection.dialect() {
        Dialect::Sqlite => include_str!("schema/sqlite.sql"),
        Dialect::Postgres => include_str!("schema/postgres.sql"),
        Dialect::MySql => include_str!("schema/mysql.sql"),
    };
    for statement in statements.lines().filter(|line| !line.starts_with("--")) {
        connection.execute(statement, &[])?;
    }
    let version = "INSERT INTO migrations (created_at, updated_at, version, code_version) VALUES (?, ?, ?, ?)";
    connection.insert(version, &[now.into(), now.into(), VERSION.into(), Version::OURS.to_string().into()])?;
    Ok(())
}

fn upgrade(
    connection: &mut dyn Connection,
    version: i64,
    code: &str,
    now: Timestamp,
    may_migrate: bool,
) -> Result<SchemaOrigin> {
    let stored = Version::parse(code).map_err(|reason| {
        error!(reason, schema = version.to_string(), subsystem_name = "sql", "Error getting DB code version");
        refusal(&format!("error getting DB code version: unable to parse code version from DB: {reason}"))
    })?;
    let is_compatible = stored.is_one_minor_from(Version::OURS);
    let (schema, version_info) = (version.to_string(), stored.to_string());
    if version == VERSION {
        debug!(
            schema,
            version_info,
            subsystem_name = "sql",
            "Code and DB schema versions are the same. No migration needed"
        );
        return Ok(SchemaOrigin::Found);
    }
    if version > VERSION {
        // As in SPIRE: in the middle of an upgrade of several servers a newer one may have migrated already.
        if !is_compatible {
            let text = "Incompatible DB schema is too new for code version, upgrade SPIRE Server";
            error!(schema, version_info, subsystem_name = "sql", "{text}");
            let newest = format!("schema {version} of SPIRE {stored} is newer than {VERSION}; use a newer version");
            return Err(refusal(&format!("incompatible DB schema and code version: {newest}")));
        }
        let text = "DB schema is ahead of code version, upgrading SPIRE Server is recommended";
        warn!(schema, version_info, subsystem_name = "sql", "{text}");
        return Ok(SchemaOrigin::Found);
    }
    if !may_migrate {
        let reason = "auto-migration must be enabled for current DB";
        error!(error = reason, schema, version_info, subsystem_name = "sql", "Auto-migrate must be enabled");
        return Err(refusal(&format!("{reason}: schema {version} has to become {VERSION}; unset disable_migration")));
    }
    if version < OLDEST {
        let way_out = "let an older SPIRE bring it to 23 first";
        return Err(refusal(&format!(
            "migrating from schema version {version} requires a previous SPIRE release; {way_out}"
        )));
    }
    info!(schema, version_info, subsystem_name = "sql", "Running migrations...");
    for step in version..VERSION {
        info!(schema, version_info = step, subsystem_name = "sql", "Migrating version");
        migrate(connection, step)?;
        let migrated = "UPDATE migrations SET version = ?, code_version = ?, updated_at = ?";
        connection.execute(migrated, &[(step + 1).into(), Version::OURS.to_string().into(), now.into()])?;
    }
    info!(schema, version_info, subsystem_name = "sql", "Done running migrations");
    Ok(SchemaOrigin::Migrated { from: version })
}

/// Adds what the schema after `version` has more.
fn migrate(connection: &mut dyn Connection, version: i64) -> Result<()> {
    let (text, bytes) = match connection.dialect() {
        Dialect::Sqlite => ("varchar(255)", "blob"),
        Dialect::Postgres => ("text", "bytea"),
        Dialect::MySql => ("varchar(255)", "longblob"),
    };
    let (table, column, kind) = match version {
        23 => ("attested_node_entries", "agent_version", text),
        _ => ("registered_entries", "additional_attributes", bytes),
    };
    // A server that was stopped may have added the column and not told so.
    if has_column(connection, table, column)? {
        return Ok(());
    }
    let name = if connection.dialect() == Dialect::MySql { column.to_owned() } else { format!("\"{column}\"") };
    connection.execute(&format!("ALTER TABLE {table} ADD {name} {kind}"), &[])?;
    Ok(())
}

fn has_table(connection: &mut dyn Connection, table: &str) -> Result<bool> {
    let statement = match connection.dialect() {
        Dialect::Sqlite => format!("SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = '{table}'"),
        Dialect::Postgres => format!("SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass('{table}')"),
        Dialect::MySql => format!(
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = '{table}'"
        ),
    };
    Ok(number(connection, &statement, &[])? != 0)
}

fn has_column(connection: &mut dyn Connection, table: &str, column: &str) -> Result<bool> {
    let statement = match connection.dialect() {
        Dialect::Sqlite => format!("SELECT COUNT(*) FROM pragma_table_info('{table}') WHERE name = '{column}'"),
        Dialect::Postgres => format!(
            "SELECT COUNT(*) FROM pg_attribute WHERE attrelid = to_regclass('{table}') AND attname = '{column}' \
             AND NOT attisdropped"
        ),
        Dialect::MySql => format!(
            "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = '{table}' \
             AND column_name = '{column}'"
        ),
    };
    Ok(number(connection, &statement, &[])? != 0)
}

fn refusal(message: &str) -> StoreError {
    StoreError::new(ErrorClass::Unfit, format!("datastore-sql: {message}"))
}
