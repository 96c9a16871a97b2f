//! SQLite: one connection that writes and some that read, in WAL mode with full synchronisation.

mod errors;
mod statements;
mod target;

use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::{OpenFlags, TransactionBehavior};

use crate::connection::{Connection, Result};
use statements::SqliteConnection;
use target::Target;

/// How long a statement waits for another process, such as a SPIRE server, to end its write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Reading connections that are kept for the next read.
const IDLE_READERS: usize = 8;
/// Prepared statements that a connection keeps.
const STATEMENTS: usize = 64;

/// An open database.
pub(crate) struct Sqlite {
    target: Target,
    writer: Mutex<rusqlite::Connection>,
    readers: Mutex<Vec<rusqlite::Connection>>,
}

impl Sqlite {
    /// Opens or makes the database that SPIRE's `connection_string` names.
    pub(crate) fn open(connection_string: &str) -> Result<Self> {
        let target = Target::parse(connection_string)?;
        let writer = connect(&target)?;
        // SQLite opens what it may only read without a word, and would fail at the first write.
        if writer.is_readonly(rusqlite::MAIN_DB).map_err(|error| target.error(&error))? {
            return Err(target.read_only(None));
        }
        Ok(Self { target, writer: Mutex::new(writer), readers: Mutex::new(Vec::new()) })
    }

    /// The file, for messages.
    pub(crate) fn file(&self) -> &str {
        &self.target.file
    }

    pub(crate) fn engine_version() -> &'static str {
        rusqlite::version()
    }

    /// Runs `work` over one state of the database.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&mut dyn Connection) -> Result<T>) -> Result<T> {
        if self.target.in_memory {
            // A database in memory exists within its one connection.
            return self.write(work);
        }
        let idle = self.readers.lock().pop();
        let mut reader = match idle {
            Some(reader) => reader,
            None => connect(&self.target)?,
        };
        let outcome = self.transact(&mut reader, TransactionBehavior::Deferred, work);
        let mut readers = self.readers.lock();
        if outcome.is_ok() && readers.len() < IDLE_READERS {
            readers.push(reader);
        }
        outcome
    }

    /// Runs `work` and commits what it did, all or nothing. Durable when it returns.
    pub(crate) fn write<T>(&self, work: impl FnOnce(&mut dyn Connection) -> Result<T>) -> Result<T> {
        self.transact(&mut self.writer.lock(), TransactionBehavior::Immediate, work)
    }

    #[cfg(test)]
    pub(crate) fn limit_pages(&self, pages: i64) {
        self.writer.lock().pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    }

    fn transact<T>(
        &self,
        connection: &mut rusqlite::Connection,
        behavior: TransactionBehavior,
        work: impl FnOnce(&mut dyn Connection) -> Result<T>,
    ) -> Result<T> {
        let transaction = connection.transaction_with_behavior(behavior).map_err(|error| self.target.error(&error))?;
        // Dropped without commit, which rolls back, when the work fails.
        let writes = matches!(behavior, TransactionBehavior::Immediate);
        let value = work(&mut SqliteConnection { connection: &transaction, target: &self.target, writes })?;
        transaction.commit().map_err(|error| self.target.error(&error))?;
        Ok(value)
    }
}

fn connect(target: &Target) -> Result<rusqlite::Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let set_up = || -> rusqlite::Result<rusqlite::Connection> {
        let connection = rusqlite::Connection::open_with_flags(&target.open, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "full")?;
        Ok(connection)
    };
    set_up().map_err(|error| target.error(&error))
}
