//! The writes of a server, each one transaction. Rules stand here, once for every database.

mod authority;
mod bundle;
mod document;
mod entry;
mod event;
mod join_token;
mod journal;
mod node;
mod prune;
mod relationship;
mod server_state;

pub use authority::{RevokeJwtAuthority, RevokeX509Authority, TaintJwtAuthority, TaintX509Authority, X509AuthorityId};
pub use bundle::{
    AppendBundle, BundleMask, CreateBundle, DeleteBundle, DeleteMode, PruneBundle, RefreshBundle, Refreshed, SetBundle,
    UpdateBundle,
};
pub use document::{CreateDocument, ReplaceDocument};
pub use entry::{CreateEntry, Created, DeleteEntry, EntryMask, IfEntry, UpdateEntry};
pub use event::ImportEvents;
pub use join_token::CreateJoinToken;
pub use journal::{PruneCaJournals, StoreCaJournal};
pub use node::{
    ActivateSerial, AttestationOutcome, BanNode, DeleteNode, RecordAttestation, RecordRenewal, SetAgentVersion,
};
pub use prune::{PruneChanges, PruneEntries, PruneNodes};
pub use relationship::{CreateRelationship, DeleteRelationship, RelationshipMask, UpdateRelationship};
pub use server_state::TellServerState;
