//! The backend that a [`Store`](steeple_store::Store) runs on.

use steeple_clock::Clock;
use steeple_store::{Backend, ReadWork, StoreError, WriteWork};
use steeple_types::Revision;

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
        let origin =
            database.write(|connection| schema::prepare(connection, clock.now(), !config.disable_migration))?;
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
