//! Datastore in SQL, in the schema of SPIRE.
//!
//! SPIRE's tables are used in place and unchanged (schema 25), so that one can go back to SPIRE; what we add is in tables named
//! `steeple_*`, which a SPIRE server ignores. Statements stand once, over a small `connection` seam; what is particular to an
//! engine is in `sqlite`, `postgres`, `mysql` and, of SQL itself, in `dialect`.

mod backend;
mod changes;
mod config;
mod connection;
mod database;
mod dialect;
mod documents;
mod events;
mod filters;
mod mysql;
mod paging;
mod pool;
mod postgres;
mod schema;
mod server_states;
mod sqlite;
mod tables;
mod time;
mod tls;
mod tx;
mod version;
mod waiter;

pub use backend::SqlBackend;
pub use config::SqlConfig;
pub use schema::SchemaOrigin;
