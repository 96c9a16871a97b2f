//! PostgreSQL.

mod errors;
mod passfile;
mod secure;
mod session;
mod target;
mod values;

pub(crate) use session::{Session, connector};
pub(crate) use target::Target;
