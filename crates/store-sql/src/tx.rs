//! Transactions of [`steeple_store`] over a [`Connection`].

use std::ops::RangeInclusive;

use jiff::Timestamp;
use steeple_store::{
    CaJournal, Change, ChangeKind, Document, EntryFilter, Event, JoinToken, NodeFilter, Page, Paged, ReadTx,
    ServerState, WriteTx, WriteWork,
};
use steeple_types::{AttestedNode, Bundle, Entry, EntryId, FederationRelationship, Revision, SpiffeId, TrustDomain};

use crate::connection::{Connection, Result};
use crate::tables::{bundles, entries, entry_writes, join_tokens, journals, nodes, relationships};
use crate::{changes, documents, events, server_states};

/// A transaction that began at `now`; who made it commits it.
pub(crate) struct SqlTx<'c> {
    connection: &'c mut dyn Connection,
    now: Timestamp,
    /// The last revision, with those that this transaction has made; `None` in a transaction that reads.
    last: Option<Revision>,
}

impl<'c> SqlTx<'c> {
    /// Reads.
    pub(crate) fn reading(connection: &'c mut dyn Connection, now: Timestamp) -> Self {
        Self { connection, now, last: None }
    }

    /// Does `work`, which writes, and returns the last revision after it.
    pub(crate) fn write(connection: &'c mut dyn Connection, now: Timestamp, work: WriteWork<'_>) -> Result<Revision> {
        let before = changes::last(connection)?;
        let mut tx = Self { connection, now, last: Some(before) };
        work(&mut tx)?;
        let after = tx.last.unwrap_or(before);
        if after > before {
            changes::advance(tx.connection, after)?;
        }
        Ok(after)
    }
}

impl ReadTx for SqlTx<'_> {
    fn entry(&mut self, id: &EntryId) -> Result<Option<Entry>> {
        entries::by_id(self.connection, id)
    }

    fn similar_entry(&mut self, entry: &Entry) -> Result<Option<Entry>> {
        entries::similar(self.connection, entry)
    }

    fn entries(&mut self, filter: &EntryFilter, page: &Page) -> Result<Paged<Entry>> {
        entries::list(self.connection, filter, page)
    }

    fn count_entries(&mut self, filter: &EntryFilter) -> Result<u64> {
        entries::count(self.connection, filter)
    }

    fn entries_expired_before(&mut self, time: Timestamp) -> Result<Vec<Entry>> {
        entries::expired_before(self.connection, time)
    }

    fn entries_federating_with(&mut self, trust_domain: &TrustDomain) -> Result<Vec<EntryId>> {
        entries::federating_with(self.connection, trust_domain)
    }

    fn node(&mut self, id: &SpiffeId) -> Result<Option<AttestedNode>> {
        nodes::by_id(self.connection, id)
    }

    fn nodes(&mut self, filter: &NodeFilter, page: &Page) -> Result<Paged<AttestedNode>> {
        nodes::list(self.connection, filter, page)
    }

    fn count_nodes(&mut self, filter: &NodeFilter) -> Result<u64> {
        nodes::count(self.connection, filter)
    }

    fn bundle(&mut self, trust_domain: &TrustDomain) -> Result<Option<Bundle>> {
        bundles::by_trust_domain(self.connection, trust_domain)
    }

    fn bundles(&mut self, page: &Page) -> Result<Paged<Bundle>> {
        bundles::list(self.connection, page)
    }

    fn bundle_names(&mut self) -> Result<Vec<TrustDomain>> {
        bundles::names(self.connection)
    }

    fn count_bundles(&mut self) -> Result<u64> {
        bundles::count(self.connection)
    }

    fn join_token(&mut self, token: &str) -> Result<Option<JoinToken>> {
        join_tokens::by_token(self.connection, token)
    }

    fn relationship(&mut self, trust_domain: &TrustDomain) -> Result<Option<FederationRelationship>> {
        relationships::by_trust_domain(self.connection, trust_domain)
    }

    fn relationships(&mut self, page: &Page) -> Result<Paged<FederationRelationship>> {
        relationships::list(self.connection, page)
    }

    fn ca_journals(&mut self) -> Result<Vec<CaJournal>> {
        journals::list(self.connection)
    }

    fn last_revision(&mut self) -> Result<Revision> {
        match self.last {
            Some(last) => Ok(last),
            None => changes::last(self.connection),
        }
    }

    fn oldest_revision(&mut self) -> Result<Revision> {
        changes::oldest(self.connection)
    }

    fn changes_after(&mut self, revision: Revision, limit: usize) -> Result<Vec<Change>> {
        changes::after(self.connection, revision, limit)
    }

    fn last_event(&mut self, kind: ChangeKind) -> Result<u64> {
        events::last(self.connection, kind)
    }

    fn events(&mut self, kind: ChangeKind, ids: &[RangeInclusive<u64>], limit: usize) -> Result<Vec<Event>> {
        events::within(self.connection, kind, ids, limit)
    }

    fn server_states(&mut self) -> Result<Vec<ServerState>> {
        server_states::list(self.connection)
    }

    fn documents(&mut self, kind: &str) -> Result<Vec<Document>> {
        documents::list(self.connection, kind)
    }
}

impl WriteTx for SqlTx<'_> {
    fn insert_entry(&mut self, entry: &Entry) -> Result<()> {
        entry_writes::insert(self.connection, entry, self.now)
    }

    fn replace_entry(&mut self, entry: &Entry) -> Result<()> {
        entry_writes::replace(self.connection, entry, self.now)
    }

    fn remove_entry(&mut self, id: &EntryId) -> Result<()> {
        entry_writes::remove(self.connection, id)
    }

    fn put_node(&mut self, node: &AttestedNode) -> Result<()> {
        nodes::put(self.connection, node, self.now)
    }

    fn remove_node(&mut self, id: &SpiffeId) -> Result<()> {
        nodes::remove(self.connection, id)
    }

    fn put_bundle(&mut self, bundle: &Bundle) -> Result<()> {
        bundles::put(self.connection, bundle, self.now)
    }

    fn remove_bundle(&mut self, trust_domain: &TrustDomain) -> Result<()> {
        bundles::remove(self.connection, trust_domain)
    }

    fn insert_join_token(&mut self, token: &JoinToken) -> Result<()> {
        join_tokens::insert(self.connection, token, self.now)
    }

    fn remove_join_token(&mut self, token: &str) -> Result<()> {
        join_tokens::remove(self.connection, token)
    }

    fn put_relationship(&mut self, relationship: &FederationRelationship) -> Result<()> {
        relationships::put(self.connection, relationship, self.now)
    }

    fn remove_relationship(&mut self, trust_domain: &TrustDomain) -> Result<()> {
        relationships::remove(self.connection, trust_domain)
    }

    fn put_ca_journal(&mut self, journal: &CaJournal) -> Result<i64> {
        journals::put(self.connection, journal, self.now)
    }

    fn remove_ca_journal(&mut self, row: i64) -> Result<()> {
        journals::remove(self.connection, row)
    }

    fn record_change(&mut self, kind: ChangeKind, key: &str) -> Result<Revision> {
        let revision = Revision(self.last_revision()?.0 + 1);
        changes::record(self.connection, revision, kind, key, self.now)?;
        self.last = Some(revision);
        Ok(revision)
    }

    fn record_event(&mut self, event: &Event) -> Result<bool> {
        if events::is_logged(self.connection, event)? {
            return Ok(false);
        }
        let revision = Revision(self.last_revision()?.0 + 1);
        changes::log(self.connection, revision, event.kind, &event.key, Some(events::id_of(event)), self.now)?;
        self.last = Some(revision);
        Ok(true)
    }

    fn prune_changes(&mut self, time: Timestamp) -> Result<()> {
        changes::prune(self.connection, time)
    }

    fn put_server_state(&mut self, state: &ServerState) -> Result<()> {
        server_states::put(self.connection, state)
    }

    fn remove_server_states(&mut self, time: Timestamp) -> Result<()> {
        server_states::remove_before(self.connection, time)
    }

    fn insert_document(&mut self, document: &Document) -> Result<()> {
        documents::insert(self.connection, document)
    }

    fn remove_document(&mut self, kind: &str, name: &str) -> Result<()> {
        documents::remove(self.connection, kind, name)
    }

    fn now(&self) -> Timestamp {
        self.now
    }
}
