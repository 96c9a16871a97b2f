//! The CA journal: which slots held which authorities, so that a restart goes on where the server stopped.

use jiff::{SignedDuration, Timestamp};
use prost::Message;
use steeple_proto::spire::journal::{Entries, JwtKeyEntry, Status as Stored, X509caEntry};

use crate::slot::{SlotName, Status};

/// Most entries of a kind that a journal keeps.
const MAX_ENTRIES: usize = 10;
/// How long after the end of its last authority a journal is kept.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(14 * 24);

/// A journal as the datastore holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredJournal {
    /// Row in the datastore; 0 when it was not stored yet.
    pub row: i64,
    /// The protobuf.
    pub data: Vec<u8>,
    /// Subject key identifier of the active X.509 authority.
    pub active_x509_authority_id: String,
    /// `kid` of the active JWT authority.
    pub active_jwt_authority_id: String,
}

/// A journal that is kept up to date.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Journal {
    /// Row in the datastore; 0 when it was not stored yet.
    pub row: i64,
    entries: Entries,
}

impl Journal {
    /// Reads a stored journal.
    ///
    /// # Errors
    /// When the protobuf is damaged.
    pub fn read(stored: &StoredJournal) -> Result<Self, prost::DecodeError> {
        Ok(Self { row: stored.row, entries: Entries::decode(stored.data.as_slice())? })
    }

    /// The journal in the form to store, if an X.509 authority is active: before that there is nothing to find it by.
    pub fn to_stored(&self) -> Option<StoredJournal> {
        let active_x509_authority_id = active(&self.entries.x509_c_as)?;
        Some(StoredJournal {
            row: self.row,
            data: self.entries.encode_to_vec(),
            active_x509_authority_id,
            active_jwt_authority_id: active(&self.entries.jwt_keys).unwrap_or_default(),
        })
    }

    /// The entries of a kind, oldest first.
    pub(crate) fn entries<E: JournalEntry>(&self) -> &[E] {
        E::of(&self.entries)
    }

    /// Adds the entry of a new authority; the oldest goes when there are too many.
    pub(crate) fn add<E: JournalEntry>(&mut self, entry: E) {
        let entries = E::of_mut(&mut self.entries);
        entries.push(entry);
        let surplus = entries.len().saturating_sub(MAX_ENTRIES);
        entries.drain(..surplus);
    }

    /// Marks the entry of an authority with what it is now.
    pub(crate) fn mark<E: JournalEntry>(&mut self, authority_id: &str, status: Status) {
        for entry in E::of_mut(&mut self.entries) {
            if entry.authority_id() == authority_id {
                entry.mark(stored(status));
            }
        }
    }

    pub(crate) fn retain<E: JournalEntry>(&mut self, keep: impl FnMut(&E) -> bool) {
        E::of_mut(&mut self.entries).retain(keep);
    }
}

/// The entry of an authority, whatever its kind.
pub(crate) trait JournalEntry: Sized {
    /// The entries of the kind.
    fn of(entries: &Entries) -> &[Self];
    /// The same, to change them.
    fn of_mut(entries: &mut Entries) -> &mut Vec<Self>;
    /// The slot's name.
    fn slot_id(&self) -> &str;
    /// The authority's ID.
    fn authority_id(&self) -> &str;
    /// What it is.
    fn marked(&self) -> Stored;
    /// Says what it is now.
    fn mark(&mut self, status: Stored);
}

impl JournalEntry for X509caEntry {
    fn of(entries: &Entries) -> &[Self] {
        &entries.x509_c_as
    }

    fn of_mut(entries: &mut Entries) -> &mut Vec<Self> {
        &mut entries.x509_c_as
    }

    fn slot_id(&self) -> &str {
        &self.slot_id
    }

    fn authority_id(&self) -> &str {
        &self.authority_id
    }

    fn marked(&self) -> Stored {
        self.status()
    }

    fn mark(&mut self, status: Stored) {
        self.set_status(status);
    }
}

impl JournalEntry for JwtKeyEntry {
    fn of(entries: &Entries) -> &[Self] {
        &entries.jwt_keys
    }

    fn of_mut(entries: &mut Entries) -> &mut Vec<Self> {
        &mut entries.jwt_keys
    }

    fn slot_id(&self) -> &str {
        &self.slot_id
    }

    fn authority_id(&self) -> &str {
        &self.authority_id
    }

    fn marked(&self) -> Stored {
        self.status()
    }

    fn mark(&mut self, status: Stored) {
        self.set_status(status);
    }
}

/// The ID of the authority that signs.
fn active<E: JournalEntry>(entries: &[E]) -> Option<String> {
    let active = entries.iter().rev().find(|entry| entry.marked() == Stored::Active);
    active.map(|entry| entry.authority_id().to_owned())
}

pub(crate) fn stored(status: Status) -> Stored {
    match status {
        Status::Prepared => Stored::Prepared,
        Status::Active => Stored::Active,
        Status::Old => Stored::Old,
    }
}

pub(crate) fn status(stored: Stored) -> Option<Status> {
    match stored {
        Stored::Unknown => None,
        Stored::Prepared => Some(Status::Prepared),
        Stored::Active => Some(Status::Active),
        Stored::Old => Some(Status::Old),
    }
}

pub(crate) fn slot_name(text: &str) -> Option<SlotName> {
    [SlotName::A, SlotName::B].into_iter().find(|name| name.as_str() == text)
}

/// Whether all authorities of a stored journal ended long before `now`, so that its server won't come back for it.
pub fn is_stale(data: &[u8], now: Timestamp) -> bool {
    let Ok(entries) = Entries::decode(data) else { return false };
    let limit = (now - KEPT_FOR).as_second();
    entries.x509_c_as.iter().all(|entry| entry.not_after < limit)
        && entries.jwt_keys.iter().all(|entry| entry.not_after < limit)
}
