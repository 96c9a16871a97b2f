//! The writes of a server, each one transaction. Rules stand here, once for every database.

mod authority;
mod bundle;
mod entry;
mod join_token;
mod journal;
mod node;
mod prune;
mod relationship;

pub use authority::{RevokeJwtAuthority, RevokeX509Authority, TaintJwtAuthority, TaintX509Authority, X509AuthorityId};
pub use bundle::{
    AppendBundle, BundleMask, CreateBundle, DeleteBundle, DeleteMode, PruneBundle, SetBundle, UpdateBundle,
};
pub use entry::{CreateEntry, Created, DeleteEntry, EntryMask, UpdateEntry};
pub use join_token::CreateJoinToken;
pub use journal::{PruneCaJournals, StoreCaJournal};
pub use node::{
    ActivateSerial, AttestationOutcome, BanNode, DeleteNode, RecordAttestation, RecordRenewal, SetAgentVersion,
};
pub use prune::{PruneChanges, PruneEntries, PruneNodes};
pub use relationship::{CreateRelationship, DeleteRelationship, RelationshipMask, UpdateRelationship};
