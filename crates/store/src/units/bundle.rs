//! Writes of bundles.

use jiff::Timestamp;
use steeple_types::{Bundle, JwtAuthority, TrustDomain, X509Authority};

use crate::{ChangeKind, ErrorClass, StoreError, Unit, WriteTx};

/// Adds authorities to a bundle, which is made when it is not there. The sequence number grows if that changes anything.
pub struct AppendBundle {
    /// Whose bundle.
    pub trust_domain: TrustDomain,
    /// X.509 authorities to add.
    pub x509_authorities: Vec<X509Authority>,
    /// JWT authorities to add.
    pub jwt_authorities: Vec<JwtAuthority>,
}

impl Unit for AppendBundle {
    type Output = Bundle;
    const NAME: &'static str = "bundle.append";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<Bundle, StoreError> {
        let known = tx.bundle(&self.trust_domain)?;
        let mut bundle = known.clone().unwrap_or_else(|| Bundle::empty(self.trust_domain.clone()));
        for authority in &self.x509_authorities {
            if !bundle.x509_authorities.iter().any(|known| known == authority) {
                bundle.x509_authorities.push(authority.clone());
            }
        }
        for authority in &self.jwt_authorities {
            if !bundle.jwt_authorities.iter().any(|known| known == authority) {
                bundle.jwt_authorities.push(authority.clone());
            }
        }
        if known.as_ref() == Some(&bundle) {
            return Ok(bundle);
        }
        if known.is_some() {
            bundle.sequence_number += 1;
        }
        put(tx, &bundle)?;
        Ok(bundle)
    }
}

/// Adds a bundle that must not be there yet.
pub struct CreateBundle {
    /// The bundle.
    pub bundle: Bundle,
}

impl Unit for CreateBundle {
    type Output = Bundle;
    const NAME: &'static str = "bundle.create";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<Bundle, StoreError> {
        if tx.bundle(&self.bundle.trust_domain)?.is_some() {
            return Err(StoreError::not_unique("bundles.trust_domain"));
        }
        put(tx, &self.bundle)?;
        Ok(self.bundle.clone())
    }
}

/// Adds a bundle or replaces the one that is there.
pub struct SetBundle {
    /// The bundle.
    pub bundle: Bundle,
}

impl Unit for SetBundle {
    type Output = Bundle;
    const NAME: &'static str = "bundle.set";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<Bundle, StoreError> {
        put(tx, &self.bundle)?;
        Ok(self.bundle.clone())
    }
}

/// Takes a bundle that its trust domain publishes. One that is older than what is known changes nothing.
pub struct RefreshBundle {
    /// The bundle.
    pub bundle: Bundle,
}

/// What became of a published bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// It was stored.
    Stored,
    /// It says what was known.
    Unchanged,
    /// Its sequence number is lower than the known one.
    Older {
        /// The known sequence number.
        known: u64,
    },
}

impl RefreshBundle {
    /// What becomes of the bundle where `known` is stored.
    pub fn against(&self, known: Option<&Bundle>) -> Refreshed {
        match known {
            Some(known) if self.bundle.says_the_same_as(known) => Refreshed::Unchanged,
            // Servers of one trust domain may count apart: what matters is whether authorities would come back.
            Some(known) if self.bundle.is_older_than(known) => {
                let says_no_more = self.bundle.has_the_authorities_of(known);
                if says_no_more { Refreshed::Unchanged } else { Refreshed::Older { known: known.sequence_number } }
            }
            _ => Refreshed::Stored,
        }
    }
}

impl Unit for RefreshBundle {
    type Output = Refreshed;
    const NAME: &'static str = "bundle.set";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<Refreshed, StoreError> {
        let refreshed = self.against(tx.bundle(&self.bundle.trust_domain)?.as_ref());
        if refreshed == Refreshed::Stored {
            put(tx, &self.bundle)?;
        }
        Ok(refreshed)
    }
}

/// Which fields of a bundle an update replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of a bundle")]
pub struct BundleMask {
    pub x509_authorities: bool,
    pub jwt_authorities: bool,
    pub refresh_hint: bool,
    pub sequence_number: bool,
}

impl BundleMask {
    /// All fields.
    pub const ALL: Self =
        Self { x509_authorities: true, jwt_authorities: true, refresh_hint: true, sequence_number: true };
}

/// Replaces fields of a bundle that must be there.
pub struct UpdateBundle {
    /// The bundle with its new fields.
    pub bundle: Bundle,
    /// Which of them to replace.
    pub mask: BundleMask,
}

impl Unit for UpdateBundle {
    type Output = Bundle;
    const NAME: &'static str = "bundle.update";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<Bundle, StoreError> {
        let mut bundle = tx.bundle(&self.bundle.trust_domain)?.ok_or_else(StoreError::not_found)?;
        let (mask, from) = (self.mask, &self.bundle);
        if mask.x509_authorities {
            bundle.x509_authorities.clone_from(&from.x509_authorities);
        }
        if mask.jwt_authorities {
            bundle.jwt_authorities.clone_from(&from.jwt_authorities);
        }
        if mask.refresh_hint {
            bundle.refresh_hint = from.refresh_hint;
        }
        if mask.sequence_number {
            bundle.sequence_number = from.sequence_number;
        }
        put(tx, &bundle)?;
        Ok(bundle)
    }
}

/// What becomes of the entries that federate with a bundle's trust domain when the bundle goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteMode {
    /// The bundle stays as long as there are such entries.
    Restrict,
    /// They go with it.
    Delete,
    /// They stay and federate with it no more.
    Dissociate,
}

/// Removes a bundle.
pub struct DeleteBundle {
    /// Whose bundle.
    pub trust_domain: TrustDomain,
    /// What becomes of entries.
    pub mode: DeleteMode,
}

impl Unit for DeleteBundle {
    type Output = ();
    const NAME: &'static str = "bundle.delete";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<(), StoreError> {
        if tx.bundle(&self.trust_domain)?.is_none() {
            return Err(StoreError::not_found());
        }
        let entries = tx.entries_federating_with(&self.trust_domain)?;
        match self.mode {
            DeleteMode::Restrict if !entries.is_empty() => {
                let message = format!(
                    "datastore-sql: cannot delete bundle; federated with {} registration entries",
                    entries.len()
                );
                return Err(StoreError::new(ErrorClass::Unfit, message));
            }
            DeleteMode::Delete => {
                for id in &entries {
                    tx.remove_entry(id)?;
                }
            }
            DeleteMode::Restrict | DeleteMode::Dissociate => {}
        }
        tx.remove_bundle(&self.trust_domain)?;
        for id in &entries {
            tx.record_change(ChangeKind::Entry, id.as_str())?;
        }
        tx.record_change(ChangeKind::Bundle, self.trust_domain.name())?;
        Ok(())
    }
}

/// Drops authorities of a bundle that expired before a time. A JWT authority without a known expiry counts as expired.
pub struct PruneBundle {
    /// Whose bundle.
    pub trust_domain: TrustDomain,
    /// Before when.
    pub expired_before: Timestamp,
    /// When an X.509 authority expires; `None` for what can't be read, which is kept.
    pub x509_expiry: fn(&X509Authority) -> Option<Timestamp>,
}

impl Unit for PruneBundle {
    type Output = bool;
    const NAME: &'static str = "bundle.prune";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<bool, StoreError> {
        let Some(known) = tx.bundle(&self.trust_domain)? else { return Ok(false) };
        let mut bundle = known.clone();
        bundle
            .x509_authorities
            .retain(|authority| (self.x509_expiry)(authority).is_none_or(|at| at > self.expired_before));
        bundle.jwt_authorities.retain(|authority| authority.expires_at.is_some_and(|at| at > self.expired_before));
        if bundle.x509_authorities.is_empty() {
            return Err(StoreError::new(ErrorClass::Internal, "prune failed: would prune all certificates"));
        }
        if bundle.jwt_authorities.is_empty() && !known.jwt_authorities.is_empty() {
            return Err(StoreError::new(ErrorClass::Internal, "prune failed: would prune all JWT signing keys"));
        }
        if bundle == known {
            return Ok(false);
        }
        bundle.refresh_hint = 0;
        bundle.sequence_number += 1;
        put(tx, &bundle)?;
        Ok(true)
    }
}

/// Stores a bundle and tells its followers.
pub(super) fn put(tx: &mut dyn WriteTx, bundle: &Bundle) -> Result<(), StoreError> {
    tx.put_bundle(bundle)?;
    tx.record_change(ChangeKind::Bundle, bundle.trust_domain.name())?;
    Ok(())
}
