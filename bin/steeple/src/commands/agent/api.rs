//! `api`: the Workload API from the command line.

mod fetch_jwt;
mod fetch_x509;
mod identity;
mod validate_jwt;
mod watch;

pub(crate) use fetch_jwt::FetchJwt;
pub(crate) use fetch_x509::FetchX509;
pub(crate) use validate_jwt::ValidateJwt;
pub(crate) use watch::Watch;
