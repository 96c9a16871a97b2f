//! A database of one of the engines, with transactions on it.

use steeple_clock::Clock;
use tracing::info;

use crate::config::{Engine, SqlConfig};
use crate::connection::{Connection, Result};
use crate::pool::{Access, Connect, Pool, Session as _};
use crate::sqlite::Sqlite;
use crate::{mysql, postgres};

/// An open database.
pub(crate) struct Database {
    engine: Opened,
    /// Where it is, for messages.
    place: String,
    /// Version of the engine, such as `3.51.1`.
    version: String,
}

enum Opened {
    Sqlite(Sqlite),
    Server(Pool),
}

impl Database {
    /// Opens the database that `config` names, or its replica.
    pub(crate) fn open(config: &SqlConfig, clock: &Clock, is_replica: bool) -> Result<Self> {
        info!(db_type = config.database_type, subsystem_name = "sql", "Opening SQL database");
        let connection_string = if is_replica { &config.ro_connection_string } else { &config.connection_string };
        match config.engine()? {
            Engine::Sqlite => {
                let database = Sqlite::open(connection_string)?;
                let (place, version) = (database.file().to_owned(), Sqlite::engine_version().to_owned());
                Ok(Self { engine: Opened::Sqlite(database), place, version })
            }
            Engine::Postgres => {
                let target = postgres::Target::parse(connection_string, &|name| std::env::var(name).ok())?;
                // Tried at once, so that what is wrong with it is told at the start.
                let mut first = postgres::Session::open(&target, clock.clone())?;
                let version = first.server_version()?;
                Box::new(first).close();
                let (place, connect) = (target.place(), postgres::connector(target, clock.clone()));
                Ok(Self::server(connect, config, clock, place, version))
            }
            Engine::MySql => {
                let target = config.mysql(connection_string)?;
                let mut first = mysql::Session::open(&target, clock.clone())?;
                let version = first.server_version()?;
                Box::new(first).close();
                let (place, connect) = (target.place(), mysql::connector(target, clock.clone()));
                Ok(Self::server(connect, config, clock, place, version))
            }
        }
    }

    fn server(connect: Box<dyn Connect>, config: &SqlConfig, clock: &Clock, place: String, version: String) -> Self {
        let pool = Pool::new(connect, config.limits(), clock.clone());
        Self { engine: Opened::Server(pool), place, version }
    }

    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Runs `work` over one state of the database.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&mut dyn Connection) -> Result<T>) -> Result<T> {
        match &self.engine {
            Opened::Sqlite(database) => database.read(work),
            Opened::Server(pool) => pool.transact(Access::Read, work),
        }
    }

    /// Runs `work` and commits what it did, all or nothing. Durable when it returns.
    pub(crate) fn write<T>(&self, work: impl FnOnce(&mut dyn Connection) -> Result<T>) -> Result<T> {
        match &self.engine {
            Opened::Sqlite(database) => database.write(work),
            Opened::Server(pool) => pool.transact(Access::Write, work),
        }
    }

    /// Runs `work`, which makes or migrates the schema, and commits it as far as the engine can take it back.
    pub(crate) fn change_schema<T>(&self, work: impl FnOnce(&mut dyn Connection) -> Result<T>) -> Result<T> {
        match &self.engine {
            Opened::Sqlite(database) => database.write(work),
            Opened::Server(pool) => pool.transact(Access::Schema, work),
        }
    }

    #[cfg(test)]
    pub(crate) fn limit_pages(&self, pages: i64) {
        if let Opened::Sqlite(database) = &self.engine {
            database.limit_pages(pages);
        }
    }
}
