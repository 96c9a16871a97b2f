//! Datastore in SQL, in the schema of SPIRE.
//!
//! SPIRE's tables are used in place and unchanged (schema 25), so that one can go back to SPIRE; what we add is in the table
//! `steeple_changes`, which a SPIRE server ignores. Statements stand once, over a small `connection` seam; what is particular to
//! SQLite is in `sqlite`.

mod backend;
mod changes;
mod config;
mod connection;
mod filters;
mod paging;
mod schema;
mod sqlite;
mod tables;
mod time;
mod tx;

pub use backend::SqlBackend;
pub use config::SqlConfig;
pub use schema::SchemaOrigin;
