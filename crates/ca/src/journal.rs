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
#[derive(Clone, Debug, Default)]
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
    pub fn to_stored(&self, active_jwt: &str) -> Option<StoredJournal> {
        let active = self.entries.x509_c_as.iter().rev().find(|entry| entry.status() == Stored::Active)?;
        Some(StoredJournal {
            row: self.row,
            data: self.entries.encode_to_vec(),
            active_x509_authority_id: active.authority_id.clone(),
            active_jwt_authority_id: active_jwt.to_owned(),
        })
    }

    /// The X.509 entries, oldest first.
    pub fn x509(&self) -> &[X509caEntry] {
        &self.entries.x509_c_as
    }

    /// The JWT entries, oldest first.
    pub fn jwt(&self) -> &[JwtKeyEntry] {
        &self.entries.jwt_keys
    }

    pub(crate) fn add_x509(&mut self, entry: X509caEntry) {
        self.entries.x509_c_as.push(entry);
        let surplus = self.entries.x509_c_as.len().saturating_sub(MAX_ENTRIES);
        self.entries.x509_c_as.drain(..surplus);
    }

    pub(crate) fn add_jwt(&mut self, entry: JwtKeyEntry) {
        self.entries.jwt_keys.push(entry);
        let surplus = self.entries.jwt_keys.len().saturating_sub(MAX_ENTRIES);
        self.entries.jwt_keys.drain(..surplus);
    }

    pub(crate) fn mark_x509(&mut self, authority_id: &str, status: Status) {
        for entry in &mut self.entries.x509_c_as {
            if entry.authority_id == authority_id {
                entry.set_status(stored(status));
            }
        }
    }

    pub(crate) fn mark_jwt(&mut self, authority_id: &str, status: Status) {
        for entry in &mut self.entries.jwt_keys {
            if entry.authority_id == authority_id {
                entry.set_status(stored(status));
            }
        }
    }

    pub(crate) fn retain(&mut self, x509: impl Fn(&X509caEntry) -> bool, jwt: impl Fn(&JwtKeyEntry) -> bool) {
        self.entries.x509_c_as.retain(x509);
        self.entries.jwt_keys.retain(jwt);
    }
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
