//! Writes that remove what has had its time.

use jiff::Timestamp;
use steeple_types::{Entry, SpiffeId};

use crate::{ChangeKind, NodeFilter, Page, StoreError, Unit, WriteTx};

/// Removes entries that expired before a time and yields them.
pub struct PruneEntries {
    /// Before when.
    pub expired_before: Timestamp,
}

impl Unit for PruneEntries {
    type Output = Vec<Entry>;
    const NAME: &'static str = "registration_entry.prune";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<Vec<Entry>, StoreError> {
        let entries = tx.entries_expired_before(self.expired_before)?;
        for entry in &entries {
            tx.remove_entry(&entry.id)?;
            tx.record_change(ChangeKind::Entry, entry.id.as_str())?;
        }
        Ok(entries)
    }
}

/// Removes nodes whose SVID expired before a time, banned ones excepted, and yields their IDs.
pub struct PruneNodes {
    /// Before when.
    pub expired_before: Timestamp,
    /// Whether nodes that can't attest again go too.
    pub include_non_reattestable: bool,
    /// Most nodes of one call.
    pub batch_size: usize,
}

impl Unit for PruneNodes {
    type Output = Vec<SpiffeId>;
    const NAME: &'static str = "node.prune";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<Vec<SpiffeId>, StoreError> {
        let filter = NodeFilter {
            banned: Some(false),
            can_reattest: (!self.include_non_reattestable).then_some(true),
            expires_before: Some(self.expired_before),
            ..NodeFilter::default()
        };
        let page = Page { size: self.batch_size, token: String::new() };
        let nodes = tx.nodes(&filter, &page)?.items;
        for node in &nodes {
            super::node::remove(tx, node)?;
        }
        Ok(nodes.into_iter().map(|node| node.id).collect())
    }
}

/// Drops changes and events older than a time.
pub struct PruneChanges {
    /// Before when.
    pub before: Timestamp,
}

impl Unit for PruneChanges {
    type Output = ();
    const NAME: &'static str = "registration_entry_event.prune";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<(), StoreError> {
        tx.prune_changes(self.before)
    }
}
