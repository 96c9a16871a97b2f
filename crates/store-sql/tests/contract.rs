//! The contract of backends, over SQLite files and over databases on real servers.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;

use steeple_clock::Clock;
use steeple_store::contract::Opened;
use steeple_store_sql::{SqlBackend, SqlConfig};

#[expect(clippy::unnecessary_wraps, reason = "servers of the other engines may be absent")]
fn open(clock: Clock) -> Option<Opened> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db.sqlite3");
    let config = SqlConfig::sqlite(path.to_str().unwrap());
    let backend = Arc::new(SqlBackend::open(&config, clock).unwrap());
    let sql = move |statement: &str| rusqlite::Connection::open(&path).unwrap().execute_batch(statement).unwrap();
    Some(Opened { backend, sql: Box::new(sql), owner: Box::new(folder) })
}

steeple_store::contract_tests!(open);

mod postgres {
    use steeple_tests_databases::{Postgres, missing};

    use super::*;

    fn open(clock: Clock) -> Option<Opened> {
        if missing(&Postgres::PEERS).unwrap() {
            return None;
        }
        let server = Postgres::shared().unwrap();
        let database = server.create_database().unwrap();
        let config = SqlConfig::new("postgres", server.connection_string(&database));
        let backend = Arc::new(SqlBackend::open(&config, clock).unwrap());
        let sql = move |statement: &str| drop(server.run_sql(&database, statement).unwrap());
        Some(Opened { backend, sql: Box::new(sql), owner: Box::new(()) })
    }

    steeple_store::contract_tests!(open);
}

mod mysql {
    use steeple_tests_databases::{MariaDb, missing};

    use super::*;

    fn open(clock: Clock) -> Option<Opened> {
        if missing(&MariaDb::PEERS).unwrap() {
            return None;
        }
        let server = MariaDb::shared().unwrap();
        let database = server.create_database().unwrap();
        let config = SqlConfig::new("mysql", server.connection_string(&database));
        let backend = Arc::new(SqlBackend::open(&config, clock).unwrap());
        let sql = move |statement: &str| drop(server.run_sql(&database, statement).unwrap());
        Some(Opened { backend, sql: Box::new(sql), owner: Box::new(()) })
    }

    steeple_store::contract_tests!(open);
}
