//! Upstream authorities: `disk`, a CA in files.

mod disk;

pub use disk::{DiskAuthority, DiskAuthorityConfig};
