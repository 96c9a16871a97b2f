//! The contract of backends, over SQLite files.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::any::Any;
use std::sync::Arc;

use steeple_clock::Clock;
use steeple_store::Backend;
use steeple_store_sql::{SqlBackend, SqlConfig};

fn open(clock: Clock) -> (Arc<dyn Backend>, Box<dyn Any>) {
    let folder = tempfile::tempdir().unwrap();
    let config = SqlConfig::sqlite(folder.path().join("db.sqlite3").to_str().unwrap());
    (Arc::new(SqlBackend::open(&config, clock).unwrap()), Box::new(folder))
}

steeple_store::contract_tests!(open);
