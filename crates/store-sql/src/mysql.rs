//! MySQL and MariaDB.

mod errors;
mod session;
mod target;
mod values;

pub(crate) use session::{Session, connector};
pub(crate) use target::{Target, TlsFiles};
