//! Writes of entries.

use steeple_types::{Entry, EntryId, Selector, TrustDomain};

use crate::{ChangeKind, ErrorClass, StoreError, Unit, WriteTx};

/// Adds an entry, unless a similar one is there.
pub struct CreateEntry {
    /// The entry; its revision and time of creation are set by the write.
    pub entry: Entry,
}

/// What became of an entry that was to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// It was added, and stands so in the datastore.
    New(Entry),
    /// This similar one was there already.
    Similar(Entry),
}

impl Unit for CreateEntry {
    type Output = Created;
    const NAME: &'static str = "registration_entry.create";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<Created, StoreError> {
        check_entry(&self.entry)?;
        if let Some(similar) = tx.similar_entry(&self.entry)? {
            return Ok(Created::Similar(similar));
        }
        if tx.entry(&self.entry.id)?.is_some() {
            return Err(StoreError::not_unique("registered_entries.entry_id"));
        }
        let mut entry = self.entry.clone();
        entry.revision_number = 0;
        entry.created_at = tx.now();
        check_federation(tx, &entry.federates_with)?;
        tx.insert_entry(&entry)?;
        tx.record_change(ChangeKind::Entry, entry.id.as_str())?;
        tx.entry(&entry.id)?.map(Created::New).ok_or_else(StoreError::not_found)
    }
}

/// Which fields an update replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of an entry")]
pub struct EntryMask {
    pub spiffe_id: bool,
    pub parent_id: bool,
    pub selectors: bool,
    pub x509_svid_ttl: bool,
    pub jwt_svid_ttl: bool,
    pub federates_with: bool,
    pub admin: bool,
    pub downstream: bool,
    pub expires_at: bool,
    pub dns_names: bool,
    pub store_svid: bool,
    pub hint: bool,
    pub additional_attributes: bool,
}

impl EntryMask {
    /// All fields.
    pub const ALL: Self = Self {
        spiffe_id: true,
        parent_id: true,
        selectors: true,
        x509_svid_ttl: true,
        jwt_svid_ttl: true,
        federates_with: true,
        admin: true,
        downstream: true,
        expires_at: true,
        dns_names: true,
        store_svid: true,
        hint: true,
        additional_attributes: true,
    };

    /// The names of the fields.
    pub fn members(&self) -> Vec<&'static str> {
        macro_rules! named {
            ($($field:ident),*) => { [$( self.$field.then_some(stringify!($field)) ),*] };
        }
        let all = named!(
            spiffe_id,
            parent_id,
            selectors,
            x509_svid_ttl,
            jwt_svid_ttl,
            federates_with,
            admin,
            downstream,
            expires_at,
            dns_names,
            store_svid,
            hint,
            additional_attributes
        );
        all.into_iter().flatten().collect()
    }

    /// Replaces the fields of `to` that it names by those of `from`.
    pub fn apply(&self, to: &mut Entry, from: &Entry) {
        macro_rules! take {
            ($($field:ident),*) => { $( if self.$field { to.$field.clone_from(&from.$field); } )* };
        }
        take!(spiffe_id, parent_id, selectors, x509_svid_ttl, jwt_svid_ttl, federates_with, admin, downstream);
        take!(expires_at, dns_names, store_svid, hint);
        if self.additional_attributes {
            to.disable_x509_svid_prefetch = from.disable_x509_svid_prefetch;
            to.jwt_svid_include_jti = from.jwt_svid_include_jti;
        }
    }
}

/// Replaces fields of an entry and counts its revision up, whether or not anything changed.
pub struct UpdateEntry {
    /// The entry with its new fields.
    pub entry: Entry,
    /// Which of them to replace.
    pub mask: EntryMask,
}

impl Unit for UpdateEntry {
    type Output = Entry;
    const NAME: &'static str = "registration_entry.update";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<Entry, StoreError> {
        let mut entry = tx.entry(&self.entry.id)?.ok_or_else(StoreError::not_found)?;
        self.mask.apply(&mut entry, &self.entry);
        check_entry(&entry)?;
        if self.mask.federates_with {
            check_federation(tx, &entry.federates_with)?;
        }
        entry.revision_number += 1;
        tx.replace_entry(&entry)?;
        tx.record_change(ChangeKind::Entry, entry.id.as_str())?;
        tx.entry(&entry.id)?.ok_or_else(StoreError::not_found)
    }
}

/// Removes an entry, also one that makes no sense.
pub struct DeleteEntry {
    /// Which one.
    pub id: EntryId,
}

impl Unit for DeleteEntry {
    type Output = ();
    const NAME: &'static str = "registration_entry.delete";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<(), StoreError> {
        match tx.entry(&self.id) {
            Ok(Some(_)) => {}
            Ok(None) => return Err(StoreError::not_found()),
            Err(error) if error.class == ErrorClass::Unreadable => {}
            Err(error) => return Err(error),
        }
        tx.remove_entry(&self.id)?;
        tx.record_change(ChangeKind::Entry, self.id.as_str())?;
        Ok(())
    }
}

/// A write that is done only if the entry which was decided about still is as it was then.
pub struct IfEntry<U> {
    /// The entry; none if there is nothing to compare.
    pub stored: Option<Entry>,
    /// The write.
    pub unit: U,
}

impl<U: Unit> Unit for IfEntry<U> {
    type Output = U::Output;
    const NAME: &'static str = U::NAME;

    fn run(&self, tx: &mut dyn WriteTx) -> Result<U::Output, StoreError> {
        if let Some(stored) = &self.stored
            && tx.entry(&stored.id)?.as_ref() != Some(stored)
        {
            let message = "the entry was changed by somebody else meanwhile: try again";
            return Err(StoreError::new(ErrorClass::Unavailable, message));
        }
        self.unit.run(tx)
    }
}

fn check_federation(tx: &mut dyn WriteTx, trust_domains: &[TrustDomain]) -> Result<(), StoreError> {
    for trust_domain in trust_domains {
        if tx.bundle(trust_domain)?.is_none() {
            let message = format!("unable to find federated bundle \"{}\"", trust_domain.id_string());
            return Err(StoreError::new(ErrorClass::Internal, message));
        }
    }
    Ok(())
}

/// Rules of an entry by itself. One whose SVIDs go to a store has selectors of one type, that of the store.
fn check_entry(entry: &Entry) -> Result<(), StoreError> {
    let malformed = |text| Err(StoreError::new(ErrorClass::Malformed, format!("datastore-validation: {text}")));
    if entry.selectors.is_empty() {
        return malformed("invalid registration entry: missing selector list");
    }
    if entry.store_svid {
        if entry.disable_x509_svid_prefetch {
            return malformed("specifying cache behaviour is incompatible with storable SVIDs");
        }
        let mut kinds = entry.selectors.iter().map(Selector::kind);
        let first = kinds.next();
        if kinds.any(|kind| Some(kind) != first) {
            return malformed("invalid registration entry: selector types must be the same when store SVID is enabled");
        }
    }
    Ok(())
}
