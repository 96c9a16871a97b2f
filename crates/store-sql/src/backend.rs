//! The backend that a [`Store`](steeple_store::Store) runs on.

use steeple_clock::Clock;
use steeple_store::{Backend, ErrorClass, ReadWork, StoreError, WriteWork};
use steeple_types::Revision;
use tracing::info;

use crate::changes;
use crate::config::SqlConfig;
use crate::connection::Result;
use crate::schema::{self, SchemaOrigin};
use crate::sqlite::Sqlite;
use crate::tx::SqlTx;

/// A database in SPIRE's schema.
pub struct SqlBackend {
    database: Sqlite,
    clock: Clock,
    origin: SchemaOrigin,
}

impl SqlBackend {
    /// Opens the database, makes or migrates its schema where needed, and adds our own table. Blocks.
    ///
    /// # Errors
    /// [`StoreError`] that names the file and the way out: it can't be opened or written, it is no database, its schema is
    /// too old or too new.
    pub fn open(config: &SqlConfig, clock: Clock) -> Result<Self> {
        config.validate()?;
        let database = Sqlite::open(&config.connection_string)?;
        let prepared = database.write(|connection| schema::prepare(connection, clock.now(), !config.disable_migration));
        let origin = prepared.map_err(|error| match error.class {
            ErrorClass::Unfit => {
                StoreError::new(error.class, format!("{}; it is in \"{}\"", error.message, database.file()))
            }
            _ => error,
        })?;
        if origin == SchemaOrigin::Created {
            info!(subsystem_name = "sql", "Initializing new database");
        }
        let version = Sqlite::engine_version();
        info!(read_only = false, subsystem_name = "sql", r#type = "sqlite3", version, "Connected to SQL database");
        Ok(Self { database, clock, origin })
    }

    /// Where the schema came from.
    pub fn origin(&self) -> SchemaOrigin {
        self.origin
    }

    /// Version of the database engine, such as `3.51.1`.
    pub fn engine_version(&self) -> &'static str {
        Sqlite::engine_version()
    }
}

impl Backend for SqlBackend {
    fn read(&self, work: ReadWork<'_>) -> std::result::Result<(), StoreError> {
        self.database.read(|connection| work(&mut SqlTx { connection, now: self.clock.now() }))
    }

    fn write(&self, work: WriteWork<'_>) -> std::result::Result<Revision, StoreError> {
        self.database.write(|connection| {
            work(&mut SqlTx { connection: &mut *connection, now: self.clock.now() })?;
            changes::last(connection)
        })
    }
}

#[cfg(test)]
mod tests {
    use steeple_store::units::{CreateJoinToken, StoreCaJournal};
    use steeple_store::{CaJournal, JoinToken, Unit};

    use super::*;

    fn write(backend: &SqlBackend, unit: &impl Unit) -> Result<()> {
        backend.write(&mut |tx| unit.run(tx).map(drop)).map(drop)
    }

    /// A file system without space is played by a limit on the pages of the file, at which SQLite fails alike.
    #[test]
    fn full_disk_is_named_and_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.sqlite3");
        let backend = SqlBackend::open(&SqlConfig::sqlite(path.to_str().unwrap()), Clock::system()).unwrap();
        let token = JoinToken { token: "before".to_owned(), expires_at: jiff::Timestamp::UNIX_EPOCH };
        write(&backend, &CreateJoinToken { token, entry: None }).unwrap();
        backend.database.limit_pages(60);
        let journal = CaJournal {
            id: 0,
            data: vec![7; 1 << 20],
            active_x509_authority_id: String::new(),
            active_jwt_authority_id: String::new(),
        };
        let big = StoreCaJournal { journal };
        let error = write(&backend, &big).unwrap_err();
        assert_eq!((error.class, error.transient), (ErrorClass::Unavailable, false));
        assert!(error.message.contains("no space is left for the database"), "{error}");
        assert!(error.message.contains(path.to_str().unwrap()), "{error}");
        let check = &mut |tx: &mut dyn steeple_store::ReadTx| {
            assert!(tx.join_token("before")?.is_some());
            assert!(tx.ca_journals()?.is_empty());
            Ok(())
        };
        backend.read(check).unwrap();
        backend.database.limit_pages(1 << 30);
        write(&backend, &big).unwrap();
    }

    #[test]
    fn database_in_memory_is_one_database() {
        let backend = SqlBackend::open(&SqlConfig::sqlite(":memory:"), Clock::system()).unwrap();
        let token = JoinToken { token: "t".to_owned(), expires_at: jiff::Timestamp::UNIX_EPOCH };
        write(&backend, &CreateJoinToken { token, entry: None }).unwrap();
        let check = &mut |tx: &mut dyn steeple_store::ReadTx| {
            assert!(tx.join_token("t")?.is_some());
            Ok(())
        };
        backend.read(check).unwrap();
    }
}
