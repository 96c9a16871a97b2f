//! Operations that issue SVIDs.

pub(crate) mod issue_jwt;
pub(crate) mod issue_x509;
