//! Upstream authorities: `disk`, a CA in files, `spire`, another server of the same trust domain, and `cert-manager`, an issuer
//! of cert-manager.

pub mod cert_manager;
mod disk;
mod spire;

pub use disk::{DiskAuthority, DiskAuthorityConfig};
pub use spire::{SpireAuthority, SpireAuthorityConfig};
