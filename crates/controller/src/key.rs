//! What makes two entries the same to a server.

use std::fmt;

use steeple_crypto::digest::sha256;
use steeple_proto::spire::api::types;

/// A digest of SPIFFE ID, parent and selectors: a server has at most one entry for each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryKey([u8; 16]);

impl EntryKey {
    /// The key of an entry.
    pub fn of(entry: &types::Entry) -> Self {
        let mut said = String::new();
        for id in [&entry.spiffe_id, &entry.parent_id] {
            let id = id.clone().unwrap_or_default();
            said.extend(["spiffe://", id.trust_domain.as_str(), id.path.as_str(), "\n"]);
        }
        let mut selectors: Vec<String> =
            entry.selectors.iter().map(|s| format!("{}:{}\n", s.r#type, s.value)).collect();
        selectors.sort_unstable();
        selectors.dedup();
        said.extend(selectors);
        let mut key = [0; 16];
        key.iter_mut().zip(sha256(said.as_bytes())).for_each(|(to, from)| *to = from);
        Self(key)
    }
}

impl fmt::Display for EntryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for EntryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
