//! Real database servers that tests start in folders of their own: PostgreSQL and MariaDB, on Unix sockets, and on 127.0.0.1
//! where a test is about TLS. A server ends, and its folder goes, with whoever started it, even when that is killed.

mod account;
mod keeper;
mod mariadb;
mod peer;
mod pki;
mod postgres;
mod session;

pub use mariadb::MariaDb;
pub use peer::{GRAFANA_SDK, missing, path};
pub use pki::{Identity, Pki};
pub use postgres::Postgres;
pub use session::Session;
