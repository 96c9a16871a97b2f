//! Operations on agents.

pub(crate) mod activate;
pub(crate) mod attest;
pub(crate) mod ban;
pub(crate) mod delete;
pub(crate) mod join_token;
pub(crate) mod renew;
