//! What the server has, as far as it concerns this controller.

use std::collections::HashMap;

use crate::key::EntryKey;
use steeple_crypto::digest::sha256;
use steeple_proto::spire::api::types;

use crate::ownership::{Owner, Ownership};

/// A digest of what may be changed about an entry: all but ID, SPIFFE ID, parent and selectors.
pub(crate) type Print = [u8; 16];

/// Entries of the server, by what they say.
#[derive(Default)]
pub(crate) struct Ledger {
    held: HashMap<EntryKey, Held>,
    foreign: HashMap<EntryKey, Foreign>,
    keys: HashMap<Box<str>, EntryKey>,
    round: u64,
}

/// An own entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) id: Box<str>,
    pub(crate) revision: i64,
    /// Of what was sent last, or was listed.
    pub(crate) print: Print,
    round: u64,
}

/// An entry of somebody else that says what this controller wants to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Foreign {
    pub(crate) id: Box<str>,
    revision: i64,
    print: Print,
    /// Whether it becomes this controller's once it is wanted.
    is_unclear: bool,
    round: u64,
}

/// What the server has for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    /// An own entry.
    Own {
        id: Box<str>,
        print: Print,
    },
    /// An entry that becomes an own one by being wanted.
    Unclear {
        id: Box<str>,
        print: Print,
    },
    /// An entry of somebody else.
    Foreign {
        id: Box<str>,
        print: Print,
    },
}

/// What a listed entry asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It is as it was.
    Same,
    /// It is new or has changed: all of it is to be read.
    Unknown,
    /// It is somebody else's.
    Other,
}

impl Ledger {
    /// What there is for `key`.
    pub(crate) fn find(&self, key: &EntryKey) -> Found {
        if let Some(held) = self.held.get(key) {
            return Found::Own { id: held.id.clone(), print: held.print };
        }
        match self.foreign.get(key) {
            Some(Foreign { is_unclear: true, id, print, .. }) => Found::Unclear { id: id.clone(), print: *print },
            Some(Foreign { id, print, .. }) => Found::Foreign { id: id.clone(), print: *print },
            None => Found::Nothing,
        }
    }

    /// Takes up an entry that the server told of. `print` is that of what was sent, if it was sent by this controller: what a
    /// server does not keep is not sent again and again.
    ///
    /// Returns the key, and the ID of a second own entry of the same key, which is one too many.
    pub(crate) fn take(&mut self, ownership: &Ownership, entry: &types::Entry, sent: Option<Print>) -> Taken {
        let (key, print) = (EntryKey::of(entry), sent.unwrap_or_else(|| print_of(entry)));
        let owner = ownership.of(entry);
        let moved = self.forget_id(&entry.id).filter(|before| *before != key);
        let (id, revision, round) = (Box::<str>::from(entry.id.as_str()), entry.revision_number, self.round);
        let mut surplus = None;
        match owner {
            Owner::This | Owner::Predecessor => {
                let held = Held { id: id.clone(), revision, print, round };
                if let Some(second) = self.held.insert(key, held) {
                    self.keys.remove(&second.id);
                    surplus = Some(second.id.into_string());
                }
                self.keys.insert(id, key);
            }
            Owner::Unclear | Owner::Other => {
                let is_unclear = owner == Owner::Unclear;
                self.foreign.insert(key, Foreign { id: id.clone(), revision, print, is_unclear, round });
                self.keys.insert(id, key);
            }
        }
        Taken { key, moved, surplus }
    }

    /// An own entry is no more.
    pub(crate) fn forget(&mut self, key: &EntryKey) {
        let ids = [self.held.remove(key).map(|held| held.id), self.foreign.remove(key).map(|foreign| foreign.id)];
        for id in ids.into_iter().flatten() {
            self.keys.remove(&id);
        }
    }

    fn forget_id(&mut self, id: &str) -> Option<EntryKey> {
        let key = self.keys.remove(id)?;
        if self.held.get(&key).is_some_and(|held| &*held.id == id) {
            self.held.remove(&key);
        }
        if self.foreign.get(&key).is_some_and(|foreign| &*foreign.id == id) {
            self.foreign.remove(&key);
        }
        Some(key)
    }

    /// Begins a comparison with all that the server lists.
    pub(crate) fn begin(&mut self) {
        self.round += 1;
    }

    /// Marks an entry as listed.
    pub(crate) fn listed(&mut self, ownership: &Ownership, id: &str, revision: i64) -> Known {
        let round = self.round;
        let Some(key) = self.keys.get(id) else {
            return if ownership.by_id(id) == Some(Owner::Other) { Known::Other } else { Known::Unknown };
        };
        if let Some(held) = self.held.get_mut(key).filter(|held| &*held.id == id) {
            held.round = round;
            return if held.revision == revision { Known::Same } else { Known::Unknown };
        }
        if let Some(foreign) = self.foreign.get_mut(key).filter(|foreign| &*foreign.id == id) {
            foreign.round = round;
            return if foreign.revision == revision { Known::Same } else { Known::Unknown };
        }
        Known::Unknown
    }

    /// Ends a comparison: forgets what was not listed, and returns its keys.
    pub(crate) fn end(&mut self) -> Vec<EntryKey> {
        let round = self.round;
        let held = self.held.iter().filter(|(_, held)| held.round != round).map(|(key, _)| *key);
        let foreign = self.foreign.iter().filter(|(_, foreign)| foreign.round != round).map(|(key, _)| *key);
        let gone: Vec<EntryKey> = held.chain(foreign).collect();
        for key in &gone {
            self.forget(key);
        }
        gone
    }

    /// Keys of all own entries.
    pub(crate) fn held_keys(&self) -> impl Iterator<Item = EntryKey> + '_ {
        self.held.keys().copied()
    }

    /// How many entries are own ones.
    pub(crate) fn held_count(&self) -> usize {
        self.held.len()
    }
}

/// An entry that was taken up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) key: EntryKey,
    /// The key that the entry had before somebody changed it.
    pub(crate) moved: Option<EntryKey>,
    /// The ID of an own entry that said the same.
    pub(crate) surplus: Option<String>,
}

/// The digest of what may be changed about an entry. The order of trust domains does not count, that of DNS names does.
pub(crate) fn print_of(entry: &types::Entry) -> Print {
    let mut federates_with = entry.federates_with.clone();
    federates_with.sort_unstable();
    let said = types::Entry {
        federates_with,
        x509_svid_ttl: entry.x509_svid_ttl,
        jwt_svid_ttl: entry.jwt_svid_ttl,
        admin: entry.admin,
        downstream: entry.downstream,
        dns_names: entry.dns_names.clone(),
        hint: entry.hint.clone(),
        store_svid: entry.store_svid,
        ..types::Entry::default()
    };
    let mut print = Print::default();
    let digest = sha256(&prost::Message::encode_to_vec(&said));
    print.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    print
}
