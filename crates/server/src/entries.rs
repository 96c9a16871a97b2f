//! The index of entries and nodes: what each agent is authorised for, answered from memory.
//!
//! The index follows the change log. It is brought up to date when it is read, so that who wrote sees what was written. It may be
//! filled and kept up from a replica, as long as that has all that the index or a writer knows of: it never goes backwards.

mod index;
mod state_hash;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use steeple_store::{ChangeKind, EntryFilter, ErrorClass, EventFollower, NodeFilter, Page, ReadTx, Store, StoreError};
use steeple_types::{AttestedNode, Entry, EntryId, Revision, SpiffeId, TrustDomain};
use tokio::sync::Mutex;
use tracing::warn;

pub(crate) use index::{Found, Index, Search};
pub(crate) use state_hash::StateHash;

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

/// What a full read of the datastore has shown of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// The index was as it should be.
    Same,
    /// It was not; it was filled anew.
    Differed,
    /// The datastore has moved on since, so there was nothing to compare; the index was filled anew.
    MovedOn,
}

/// What happened since a revision.
enum Since {
    Changes(Vec<Changed>, Revision),
    Everything(Box<Index>, Revision),
}

impl Entries {
    /// Fills the index from the datastore, and begins to follow SPIRE's events where that read has seen them. `now` is the time
    /// of a monotonic clock.
    ///
    /// # Errors
    /// [`StoreError`] when the datastore can't be read.
    pub(crate) async fn load(
        store: Store,
        event_timeout: Duration,
        now: Duration,
    ) -> Result<(Self, EventFollower), StoreError> {
        let written = store.read("registration_entry_event.list", |tx| tx.last_revision()).await?;
        // One state for both: what commits after it is an event that the follower has not seen.
        let read = move |tx: &mut dyn ReadTx| Ok((fill(tx)?, EventFollower::begin(tx, event_timeout, now)?));
        let ((index, position), events) = store.read_stale("registration_entry.list", written, read).await?;
        store.has_come_to(position);
        let known = Arc::new(RwLock::new(Known { index, position }));
        Ok((Self { store, known, turn: Arc::default() }, events))
    }

    /// The revision that the index is at, and the hash of what it has.
    pub(crate) fn state(&self) -> (Revision, StateHash) {
        let known = self.known.read();
        (known.position, known.index.hash())
    }

    /// Whether, at `revision`, the index has an entry that federates with a trust domain which is not among `known`.
    pub(crate) fn federates_beyond(&self, known: &[TrustDomain], revision: Revision) -> bool {
        let at = self.known.read();
        at.position == revision && at.index.federates_beyond(known)
    }

    /// Fills the index anew, and tells whether it was as it should be. `events` are the last of SPIRE's events that were
    /// imported, by which it is known that nothing is in the datastore that can't be in the index yet.
    ///
    /// # Errors
    /// [`StoreError`] when the datastore can't be read.
    pub(crate) async fn check(&self, events: Vec<u64>) -> Result<Checked, StoreError> {
        let _turn = self.turn.lock().await;
        let read = |tx: &mut dyn ReadTx| {
            let last: Result<Vec<u64>, _> =
                ChangeKind::WITH_EVENTS.into_iter().map(|kind| tx.last_event(kind)).collect();
            Ok((fill(tx)?, last?))
        };
        let ((mut index, position), last) = self.store.read("registration_entry.list", read).await?;
        let mut known = self.known.write();
        forwards(known.position, position)?;
        index.remember(&mut known.index);
        let checked = match known.position == position && events == last {
            false => Checked::MovedOn,
            true if known.index.hash() == index.hash() => Checked::Same,
            true => Checked::Differed,
        };
        *known = Known { index, position };
        Ok(checked)
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

    /// Brings the index to the last revision that the store knows of.
    ///
    /// # Errors
    /// [`StoreError`] when the change log can't be read.
    pub(crate) async fn refresh(&self) -> Result<(), StoreError> {
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
            Since::Everything(mut index, position) => {
                forwards(known.position, position)?;
                index.remember(&mut known.index);
                *known = Known { index: *index, position };
            }
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

/// Refuses to go from one position back to another.
fn forwards(from: Revision, to: Revision) -> Result<(), StoreError> {
    if to >= from {
        return Ok(());
    }
    let message =
        format!("the datastore shows revision {to}, which is behind {from} that this server has seen already");
    Err(StoreError::new(ErrorClass::Unavailable, message))
}

/// A record that makes no sense is nobody's, and the others are followed on.
fn if_readable<T>(read: Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Err(error) if error.class == ErrorClass::Unreadable => {
            warn!(%error, subsystem_name = "endpoints", "Stored record is passed over");
            Ok(None)
        }
        read => read,
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
        return Ok(Since::Everything(Box::new(index), revision));
    }
    let revision = log.last().map_or(after, |change| change.revision);
    let mut changes = Vec::with_capacity(log.len());
    for change in log {
        match change.kind {
            ChangeKind::Entry => {
                if let Ok(id) = EntryId::parse(&change.key) {
                    let entry = if_readable(tx.entry(&id))?;
                    changes.push(Changed::Entry(id, entry));
                }
            }
            ChangeKind::Node => {
                if let Ok(id) = SpiffeId::parse(&change.key) {
                    let node = if_readable(tx.node(&id))?;
                    changes.push(Changed::Node(id, node));
                }
            }
            ChangeKind::Bundle | ChangeKind::Relationship => {}
        }
    }
    Ok(Since::Changes(changes, revision))
}
