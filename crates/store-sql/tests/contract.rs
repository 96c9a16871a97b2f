//! The contract of backends, over SQLite files and over databases on real servers.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::any::Any;
use std::sync::Arc;

use steeple_clock::Clock;
use steeple_store::Backend;
use steeple_store_sql::{SqlBackend, SqlConfig};

type Opened = Option<(Arc<dyn Backend>, Box<dyn Any>)>;

#[expect(clippy::unnecessary_wraps, reason = "servers of the other engines may be absent")]
fn open(clock: Clock) -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let config = SqlConfig::sqlite(folder.path().join("db.sqlite3").to_str().unwrap());
    Some((Arc::new(SqlBackend::open(&config, clock).unwrap()), Box::new(folder)))
}

steeple_store::contract_tests!(open);

mod postgres {
    use steeple_tests_databases::{Postgres, missing};

    use super::*;

    fn open(clock: Clock) -> Opened {
        if missing(&Postgres::PEERS).unwrap() {
            return None;
        }
        let server = Postgres::shared().unwrap();
        let database = server.create_database().unwrap();
        let config = SqlConfig::new("postgres", server.connection_string(&database));
        Some((Arc::new(SqlBackend::open(&config, clock).unwrap()), Box::new(())))
    }

    steeple_store::contract_tests!(open);
}

mod mysql {
    use steeple_tests_databases::{MariaDb, missing};

    use super::*;

    fn open(clock: Clock) -> Opened {
        if missing(&MariaDb::PEERS).unwrap() {
            return None;
        }
        let server = MariaDb::shared().unwrap();
        let database = server.create_database().unwrap();
        let config = SqlConfig::new("mysql", server.connection_string(&database));
        Some((Arc::new(SqlBackend::open(&config, clock).unwrap()), Box::new(())))
    }

    steeple_store::contract_tests!(open);
}
