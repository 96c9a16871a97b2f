//! Records that only the server knows, and the change log.

use std::fmt;

use jiff::Timestamp;
use steeple_types::Revision;

/// A join token that was not used yet. The token is a secret, so it has no `Debug` form.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// The token.
    pub token: String,
    /// When it expires.
    pub expires_at: Timestamp,
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// The CA journal of one server: a protobuf that `steeple-ca` reads and writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaJournal {
    /// Row of the journal; 0 for one that was not stored yet.
    pub id: i64,
    /// The protobuf.
    pub data: Vec<u8>,
    /// Subject key identifier of the active X.509 authority, by which a server finds its journal.
    pub active_x509_authority_id: String,
    /// `kid` of the active JWT authority.
    pub active_jwt_authority_id: String,
}

/// What kind of record changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// An entry; the key is its ID.
    Entry,
    /// An attested node; the key is its SPIFFE ID.
    Node,
    /// A bundle; the key is the name of its trust domain.
    Bundle,
    /// A federation relationship; the key is the name of its trust domain.
    Relationship,
}

impl ChangeKind {
    /// The name under which the change log stores the kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Node => "node",
            Self::Bundle => "bundle",
            Self::Relationship => "relationship",
        }
    }

    /// The kind of a stored name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Entry, Self::Node, Self::Bundle, Self::Relationship].into_iter().find(|kind| kind.name() == name)
    }
}

/// One change in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Position in the log.
    pub revision: Revision,
    /// What kind of record.
    pub kind: ChangeKind,
    /// Which record.
    pub key: String,
}
