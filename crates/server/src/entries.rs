//! The index of entries and nodes: what each agent is authorised for, answered from memory.
//!
//! The index follows the change log. It is brought up to date when it is read, so that who wrote sees what was written. It may be
//! filled and kept up from a replica, as long as that has all that the index or a writer knows of.

mod index;

use std::sync::Arc;

use parking_lot::RwLock;
use steeple_store::{ChangeKind, EntryFilter, NodeFilter, Page, ReadTx, Store, StoreError};
use steeple_types::{AttestedNode, Entry, EntryId, Revision, SpiffeId};
use tokio::sync::Mutex;

pub(crate) use index::Index;

/// Most changes that are read at once; when more have happened the index is filled anew.
const MAX_CHANGES: usize = 10_000;

/// A follower of the datastore's entries and nodes. Clones are the same follower.
#[derive(Clone)]
pub(crate) struct Entries {
    store: Store,
    known: Arc<RwLock<Known>>,
    /// Held by whoever brings the index up to date.
    turn: Arc<Mutex<()>>,
}

/// The index with the revision that it is at.
struct Known {
    index: Index,
    position: Revision,
}

/// A record as it stands after a change; `None` when it is gone.
enum Changed {
    Entry(EntryId, Option<Entry>),
    Node(SpiffeId, Option<AttestedNode>),
}

/// What happened since a revision.
enum Since {
    Changes(Vec<Changed>, Revision),
    Everything(Index, Revision),
}

impl Entries {
    /// Fills the index from the datastore.
    ///
    /// # Errors
    /// [`StoreError`] when the datastore can't be read.
    pub(crate) async fn load(store: Store) -> Result<Self, StoreError> {
        let written = store.read("registration_entry_event.list", |tx| tx.last_revision()).await?;
        let (index, position) = store.read_stale("registration_entry.list", written, fill).await?;
        Ok(Self { store, known: Arc::new(RwLock::new(Known { index, position })), turn: Arc::default() })
    }

    /// Answers from the index as it stands after every write that was acknowledged before the call.
    ///
    /// # Errors
    /// [`StoreError`] when the change log can't be read.
    pub(crate) async fn read<T>(&self, query: impl FnOnce(&Index) -> T) -> Result<T, StoreError> {
        let latest = *self.store.revisions().borrow();
        if let Some(known) = Some(self.known.read()).filter(|known| known.position >= latest) {
            return Ok(query(&known.index));
        }
        self.refresh().await?;
        Ok(query(&self.known.read().index))
    }

    async fn refresh(&self) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        let after = self.known.read().position;
        let written = *self.store.revisions().borrow();
        if written <= after {
            return Ok(());
        }
        let changes = move |tx: &mut dyn ReadTx| changes_since(tx, after);
        let since = self.store.read_stale("registration_entry_event.list", written, changes).await?;
        let mut known = self.known.write();
        match since {
            Since::Everything(index, position) => *known = Known { index, position },
            Since::Changes(changes, position) => {
                for change in changes {
                    match change {
                        Changed::Entry(id, entry) => known.index.apply_entry(&id, entry),
                        Changed::Node(id, node) => known.index.apply_node(&id, node),
                    }
                }
                known.position = position;
            }
        }
        Ok(())
    }
}

fn fill(tx: &mut dyn ReadTx) -> Result<(Index, Revision), StoreError> {
    let revision = tx.last_revision()?;
    let mut index = Index::default();
    for entry in tx.entries(&EntryFilter::default(), &Page::default())?.items {
        let id = entry.id.clone();
        index.apply_entry(&id, Some(entry));
    }
    for node in tx.nodes(&NodeFilter::default(), &Page::default())?.items {
        let id = node.id.clone();
        index.apply_node(&id, Some(node));
    }
    Ok((index, revision))
}

fn changes_since(tx: &mut dyn ReadTx, after: Revision) -> Result<Since, StoreError> {
    let log = tx.changes_after(after, MAX_CHANGES)?;
    // Changes that nobody read for long were pruned from the log.
    let missed = tx.oldest_revision()?.0 > after.0 + 1;
    if missed || log.len() >= MAX_CHANGES {
        let (index, revision) = fill(tx)?;
        return Ok(Since::Everything(index, revision));
    }
    let revision = log.last().map_or(after, |change| change.revision);
    let mut changes = Vec::with_capacity(log.len());
    for change in log {
        match change.kind {
            ChangeKind::Entry => {
                if let Ok(id) = EntryId::parse(&change.key) {
                    let entry = tx.entry(&id)?;
                    changes.push(Changed::Entry(id, entry));
                }
            }
            ChangeKind::Node => {
                if let Ok(id) = SpiffeId::parse(&change.key) {
                    let node = tx.node(&id)?;
                    changes.push(Changed::Node(id, node));
                }
            }
            ChangeKind::Bundle | ChangeKind::Relationship => {}
        }
    }
    Ok(Since::Changes(changes, revision))
}
