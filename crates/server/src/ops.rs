//! Operations: they decide and write. Each prepares, records what is about to happen, and only then lets it happen.

pub(crate) mod agent;
pub(crate) mod svid;
