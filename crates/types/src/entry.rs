//! Registration entries.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use crate::{SelectorSet, SpiffeId, TrustDomain};

/// Why an entry ID is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The ID is empty.
    #[error("missing entry ID")]
    MissingId,
    /// The ID is longer than 255 bytes.
    #[error("entry ID too long")]
    IdTooLong,
    /// The ID has a character outside `A-Za-z0-9-._`.
    #[error("entry ID contains invalid characters")]
    BadIdChar,
}

/// Identifier of an entry: 1 to 255 of the characters `A-Z a-z 0-9 - . _`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(Arc<str>);

impl EntryId {
    /// Reads an entry ID.
    ///
    /// # Errors
    /// [`EntryError`] for an empty, overlong or ill-formed ID.
    pub fn parse(text: &str) -> Result<Self, EntryError> {
        if text.is_empty() {
            return Err(EntryError::MissingId);
        }
        if text.len() > 255 {
            return Err(EntryError::IdTooLong);
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')) {
            return Err(EntryError::BadIdChar);
        }
        Ok(Self(Arc::from(text)))
    }

    /// The ID as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A registration entry: which workload (selectors, under which parent) gets which identity, in which form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Identifier.
    pub id: EntryId,
    /// The identity given.
    pub spiffe_id: SpiffeId,
    /// The node, node alias or other entry under which the identity is given.
    pub parent_id: SpiffeId,
    /// All of these must be among the workload's (or node's) selectors.
    pub selectors: SelectorSet,
    /// Lifetime of X.509-SVIDs in seconds; 0 means the server's default.
    pub x509_svid_ttl: u32,
    /// Lifetime of JWT-SVIDs in seconds; 0 means the server's default.
    pub jwt_svid_ttl: u32,
    /// Trust domains whose bundles the workload gets besides its own.
    pub federates_with: Vec<TrustDomain>,
    /// Whether the identity may administer the server.
    pub admin: bool,
    /// Whether the identity may ask for an intermediate CA.
    pub downstream: bool,
    /// When the entry ends.
    pub expires_at: Option<Timestamp>,
    /// DNS names of the X.509-SVID, in order.
    pub dns_names: Vec<String>,
    /// Counts the updates; 0 when created.
    pub revision_number: i64,
    /// Whether SVIDs go to an SVID store rather than to the Workload API.
    pub store_svid: bool,
    /// What the workload may tell its SVIDs apart by.
    pub hint: String,
    /// When the entry was created, whole seconds.
    pub created_at: Timestamp,
    /// Whether agents wait with the X.509-SVID until somebody asks for it.
    pub disable_x509_svid_prefetch: bool,
    /// Whether JWT-SVIDs carry a `jti` claim.
    pub jwt_svid_include_jti: bool,
}

impl Entry {
    /// An entry that says nothing but who is given which identity: lifetimes are the server's, nothing is special.
    pub fn new(
        id: EntryId,
        spiffe_id: SpiffeId,
        parent_id: SpiffeId,
        selectors: SelectorSet,
        created_at: Timestamp,
    ) -> Self {
        Self {
            id,
            spiffe_id,
            parent_id,
            selectors,
            x509_svid_ttl: 0,
            jwt_svid_ttl: 0,
            federates_with: Vec::new(),
            admin: false,
            downstream: false,
            expires_at: None,
            dns_names: Vec::new(),
            revision_number: 0,
            store_svid: false,
            hint: String::new(),
            created_at,
            disable_x509_svid_prefetch: false,
            jwt_svid_include_jti: false,
        }
    }

    /// Whether `other` names the same SPIFFE ID, parent and set of selectors, which SPIRE calls a similar entry.
    pub fn is_similar(&self, other: &Self) -> bool {
        self.spiffe_id == other.spiffe_id && self.parent_id == other.parent_id && self.selectors == other.selectors
    }

    /// Whether the entry gives an ID to nodes by their selectors: its parent is the server.
    pub fn is_node_alias(&self) -> bool {
        self.parent_id.path() == "/spire/server"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_ids_are_bounded() {
        assert!(EntryId::parse("abc-DEF_0.9").is_ok());
        assert_eq!(EntryId::parse(""), Err(EntryError::MissingId));
        assert_eq!(EntryId::parse("a/b"), Err(EntryError::BadIdChar));
        assert_eq!(EntryId::parse(&"a".repeat(256)), Err(EntryError::IdTooLong));
    }
}
