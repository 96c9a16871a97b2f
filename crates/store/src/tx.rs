//! What a transaction can do. Implementations hold no rules: those are in the [units](crate::units).

use std::ops::RangeInclusive;

use jiff::Timestamp;
use steeple_types::{AttestedNode, Bundle, Entry, EntryId, FederationRelationship, Revision, SpiffeId, TrustDomain};

use crate::{
    CaJournal, Change, ChangeKind, Document, EntryFilter, Event, JoinToken, NodeFilter, Page, Paged, ServerState,
    StoreError,
};

type Result<T> = std::result::Result<T, StoreError>;

/// Reads of one state of the datastore. "Not there" is `None`, not an error.
#[expect(
    clippy::missing_errors_doc,
    reason = "each fails with a StoreError when the datastore fails, and for no other reason"
)]
pub trait ReadTx {
    /// The entry `id`.
    fn entry(&mut self, id: &EntryId) -> Result<Option<Entry>>;
    /// An entry with the SPIFFE ID, parent and selectors of `entry`.
    fn similar_entry(&mut self, entry: &Entry) -> Result<Option<Entry>>;
    /// The entries that pass `filter`; a token that is not one is [`ErrorClass::Malformed`](crate::ErrorClass::Malformed).
    fn entries(&mut self, filter: &EntryFilter, page: &Page) -> Result<Paged<Entry>>;
    /// How many entries pass `filter`.
    fn count_entries(&mut self, filter: &EntryFilter) -> Result<u64>;
    /// The entries that expired before `time`, some of them if they are many.
    fn entries_expired_before(&mut self, time: Timestamp) -> Result<Vec<Entry>>;
    /// The entries that federate with `trust_domain`.
    fn entries_federating_with(&mut self, trust_domain: &TrustDomain) -> Result<Vec<EntryId>>;

    /// The attested node `id`.
    fn node(&mut self, id: &SpiffeId) -> Result<Option<AttestedNode>>;
    /// The nodes that pass `filter`.
    fn nodes(&mut self, filter: &NodeFilter, page: &Page) -> Result<Paged<AttestedNode>>;
    /// How many nodes pass `filter`.
    fn count_nodes(&mut self, filter: &NodeFilter) -> Result<u64>;

    /// The bundle of `trust_domain`.
    fn bundle(&mut self, trust_domain: &TrustDomain) -> Result<Option<Bundle>>;
    /// All bundles, the server's own among them.
    fn bundles(&mut self, page: &Page) -> Result<Paged<Bundle>>;
    /// The trust domains that have bundles.
    fn bundle_names(&mut self) -> Result<Vec<TrustDomain>>;
    /// How many bundles there are.
    fn count_bundles(&mut self) -> Result<u64>;

    /// The join token `token`.
    fn join_token(&mut self, token: &str) -> Result<Option<JoinToken>>;

    /// The relationship with `trust_domain`.
    fn relationship(&mut self, trust_domain: &TrustDomain) -> Result<Option<FederationRelationship>>;
    /// All relationships.
    fn relationships(&mut self, page: &Page) -> Result<Paged<FederationRelationship>>;

    /// All CA journals.
    fn ca_journals(&mut self) -> Result<Vec<CaJournal>>;

    /// The revision of the last change.
    fn last_revision(&mut self) -> Result<Revision>;
    /// The revision of the oldest change that is kept; 0 when there is none. A reader whose position is further back
    /// than that has missed changes and begins anew.
    fn oldest_revision(&mut self) -> Result<Revision>;
    /// Changes after `revision` in order, at most `limit`.
    fn changes_after(&mut self, revision: Revision, limit: usize) -> Result<Vec<Change>>;

    /// The greatest ID among SPIRE's events of a kind; 0 when there are none.
    fn last_event(&mut self, kind: ChangeKind) -> Result<u64>;
    /// SPIRE's events of a kind whose IDs are in one of the ranges `ids`, in their order, at most `limit`.
    fn events(&mut self, kind: ChangeKind, ids: &[RangeInclusive<u64>], limit: usize) -> Result<Vec<Event>>;

    /// What servers have told of themselves.
    fn server_states(&mut self) -> Result<Vec<ServerState>>;

    /// The documents of a kind, by name.
    fn documents(&mut self, kind: &str) -> Result<Vec<Document>>;
}

/// Writes of one transaction, which are seen by others all together or not at all.
#[expect(
    clippy::missing_errors_doc,
    reason = "each fails with a StoreError when the datastore fails, and for no other reason"
)]
pub trait WriteTx: ReadTx {
    /// Adds an entry. Its federated trust domains must have bundles.
    fn insert_entry(&mut self, entry: &Entry) -> Result<()>;
    /// Replaces the entry of the same ID, all fields.
    fn replace_entry(&mut self, entry: &Entry) -> Result<()>;
    /// Removes the entry `id` with all that hangs on it.
    fn remove_entry(&mut self, id: &EntryId) -> Result<()>;

    /// Adds or replaces a node, its selectors included.
    fn put_node(&mut self, node: &AttestedNode) -> Result<()>;
    /// Removes the node `id` and its selectors.
    fn remove_node(&mut self, id: &SpiffeId) -> Result<()>;

    /// Adds or replaces a bundle.
    fn put_bundle(&mut self, bundle: &Bundle) -> Result<()>;
    /// Removes the bundle of `trust_domain` and the links of entries to it.
    fn remove_bundle(&mut self, trust_domain: &TrustDomain) -> Result<()>;

    /// Adds a join token.
    fn insert_join_token(&mut self, token: &JoinToken) -> Result<()>;
    /// Removes a join token.
    fn remove_join_token(&mut self, token: &str) -> Result<()>;

    /// Adds or replaces a relationship.
    fn put_relationship(&mut self, relationship: &FederationRelationship) -> Result<()>;
    /// Removes the relationship with `trust_domain`.
    fn remove_relationship(&mut self, trust_domain: &TrustDomain) -> Result<()>;

    /// Adds (row 0) or replaces a CA journal and returns its row.
    fn put_ca_journal(&mut self, journal: &CaJournal) -> Result<i64>;
    /// Removes the CA journal in `row`.
    fn remove_ca_journal(&mut self, row: i64) -> Result<()>;

    /// Adds to the change log, and to SPIRE's event table of the kind if it has one.
    fn record_change(&mut self, kind: ChangeKind, key: &str) -> Result<Revision>;
    /// Adds the change that an event of a SPIRE server tells of to the change log, unless it is there; tells whether it was not.
    fn record_event(&mut self, event: &Event) -> Result<bool>;
    /// Drops changes and events older than `time`; the last change stays, so that revisions go on from it.
    fn prune_changes(&mut self, time: Timestamp) -> Result<()>;

    /// Adds or replaces what a server tells of itself.
    fn put_server_state(&mut self, state: &ServerState) -> Result<()>;
    /// Removes what servers told of themselves before `time`.
    fn remove_server_states(&mut self, time: Timestamp) -> Result<()>;

    /// Adds a document.
    fn insert_document(&mut self, document: &Document) -> Result<()>;
    /// Removes a document.
    fn remove_document(&mut self, kind: &str, name: &str) -> Result<()>;

    /// The time of this transaction.
    fn now(&self) -> Timestamp;
}
