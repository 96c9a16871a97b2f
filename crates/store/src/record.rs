//! Records that only the server knows, the change log, and the events of SPIRE servers.

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
    /// The kinds of whose changes SPIRE servers leave events.
    pub const WITH_EVENTS: [Self; 2] = [Self::Entry, Self::Node];

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

/// A row of one of SPIRE's event tables: some server has changed a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What kind of record.
    pub kind: ChangeKind,
    /// ID of the row. IDs are handed out before commits, so a smaller one may turn up later, or never.
    pub id: u64,
    /// Which record.
    pub key: String,
    /// Whether the change log has the change: a server of ours has made or imported it.
    pub is_logged: bool,
}

/// A small document of the server's own, which SPIRE does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it is, at most 32 bytes.
    pub kind: String,
    /// Its name among those of its kind, at most 255 bytes.
    pub name: String,
    /// Its text, at most 60,000 bytes.
    pub content: String,
}

/// What a server's index of entries and nodes is like, told to the other servers on the datastore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerState {
    /// Which run of which server; nobody else has the same.
    pub instance: String,
    /// What operators know the server by, at most 255 bytes.
    pub name: String,
    /// The revision that the index is at.
    pub revision: Revision,
    /// Hash of the index, hexadecimal.
    pub hash: String,
    /// When it was told.
    pub told_at: Timestamp,
}
