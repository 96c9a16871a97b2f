//! The backend that a [`Store`](steeple_store::Store) runs on.

use std::time::Duration;

use parking_lot::Mutex;
use steeple_clock::Clock;
use steeple_store::{Backend, ErrorClass, ReadWork, StoreError, WriteWork};
use steeple_types::Revision;
use tracing::{info, warn};

use crate::changes;
use crate::config::{Engine, SqlConfig};
use crate::connection::Result;
use crate::database::Database;
use crate::schema::{self, SchemaOrigin};
use crate::tx::SqlTx;

/// How long a replica that failed is left alone, since finding out that it is gone may take long.
const REPLICA_PAUSE: Duration = Duration::from_secs(30);

/// A database in SPIRE's schema.
pub struct SqlBackend {
    database: Database,
    replica: Option<Database>,
    /// When the replica is tried again, as the clock counts; it failed before.
    replica_from: Mutex<Duration>,
    clock: Clock,
    origin: SchemaOrigin,
}

impl SqlBackend {
    /// Opens the database, makes or migrates its schema where needed, and adds our own tables; then its replica. Blocks, and
    /// must not be called where a runtime runs.
    ///
    /// # Errors
    /// [`StoreError`] that names the database and the way out: it can't be opened or written, it is no database, its schema is
    /// too old or too new.
    pub fn open(config: &SqlConfig, clock: Clock) -> Result<Self> {
        let engine = config.engine()?;
        if engine == Engine::Postgres && config.has_tls_files() {
            let text = "root_ca_path, client_cert_path and client_key_path are for MySQL; PostgreSQL takes sslrootcert, \
                        sslcert and sslkey in connection_string";
            warn!(subsystem_name = "sql", "{text}");
        }
        let database = Database::open(config, &clock, false)?;
        let prepared =
            database.change_schema(|connection| schema::prepare(connection, clock.now(), !config.disable_migration));
        let origin = prepared.map_err(|error| match error.class {
            ErrorClass::Unfit => {
                StoreError::new(error.class, format!("{}; it is in \"{}\"", error.message, database.place()))
            }
            _ => error,
        })?;
        tell(config, &database, false);
        let replica = if config.ro_connection_string.is_empty() {
            None
        } else if engine == Engine::Sqlite {
            let text = "Read-only connection is not applicable for sqlite3. Falling back to primary connection";
            warn!(subsystem_name = "sql", "{text}");
            None
        } else {
            let replica = Database::open(config, &clock, true)?;
            tell(config, &replica, true);
            Some(replica)
        };
        Ok(Self { database, replica, replica_from: Mutex::default(), clock, origin })
    }

    /// Where the schema came from.
    pub fn origin(&self) -> SchemaOrigin {
        self.origin
    }

    /// Version of the database engine, such as `3.51.1`.
    pub fn engine_version(&self) -> &str {
        self.database.version()
    }

    /// Reads from the replica unless it is behind `at_least`; `None` when it can't be used now. What `work` itself does wrong
    /// stays wrong.
    fn read_replica(&self, at_least: Revision, work: ReadWork<'_>) -> Option<std::result::Result<(), StoreError>> {
        let replica = self.replica.as_ref()?;
        if self.clock.monotonic() < *self.replica_from.lock() {
            return None;
        }
        let mut outcome = None;
        let read = replica.read(|connection| {
            if changes::last(connection)? < at_least {
                return Ok(());
            }
            let done = work(&mut SqlTx::reading(connection, self.clock.now()));
            outcome = Some(done.clone());
            done
        });
        match (read, outcome) {
            (Err(error), Some(Ok(()))) => Some(Err(error)),
            (Err(error), None) => {
                *self.replica_from.lock() = self.clock.monotonic() + REPLICA_PAUSE;
                let (place, seconds) = (replica.place(), REPLICA_PAUSE.as_secs());
                warn!(%error, place, seconds, subsystem_name = "sql", "Replica can't be read; the primary database is");
                None
            }
            (_, outcome) => outcome,
        }
    }
}

fn tell(config: &SqlConfig, database: &Database, read_only: bool) {
    let (r#type, version) = (&config.database_type, database.version());
    info!(read_only, subsystem_name = "sql", r#type, version, "Connected to SQL database");
}

impl Backend for SqlBackend {
    fn read(&self, work: ReadWork<'_>) -> std::result::Result<(), StoreError> {
        self.database.read(|connection| work(&mut SqlTx::reading(connection, self.clock.now())))
    }

    fn read_stale(&self, at_least: Revision, work: ReadWork<'_>) -> std::result::Result<(), StoreError> {
        match self.read_replica(at_least, work) {
            Some(outcome) => outcome,
            None => self.read(work),
        }
    }

    fn write(&self, work: WriteWork<'_>) -> std::result::Result<Revision, StoreError> {
        self.database.write(|connection| SqlTx::write(connection, self.clock.now(), work))
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
