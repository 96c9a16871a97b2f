//! Writes that taint and revoke authorities of a bundle. The texts are SPIRE's.

use steeple_types::{Bundle, TrustDomain, X509Authority};

use crate::{ErrorClass, StoreError, Unit, WriteTx};

/// Tells the ID of an X.509 authority: its subject key identifier in hexadecimal digits.
///
/// # Errors
/// Why its certificate can't be read.
pub type X509AuthorityId = fn(&X509Authority) -> Result<String, String>;

/// Marks an X.509 authority as tainted: what it signed is to be replaced.
pub struct TaintX509Authority {
    /// Whose bundle.
    pub trust_domain: TrustDomain,
    /// The authority's ID.
    pub authority_id: String,
    /// Tells IDs.
    pub id_of: X509AuthorityId,
}

impl Unit for TaintX509Authority {
    type Output = ();
    const NAME: &'static str = "bundle.x509.taint";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<(), StoreError> {
        let mut bundle = found(tx, &self.trust_domain)?;
        let mut tainted = false;
        for authority in &mut bundle.x509_authorities {
            let id = (self.id_of)(authority).map_err(|error| internal(&format!("failed to parse rootCA: {error}")))?;
            if id != self.authority_id {
                continue;
            }
            if authority.tainted {
                return Err(malformed("root CA is already tainted"));
            }
            authority.tainted = true;
            tainted = true;
        }
        if !tainted {
            return Err(missing("no ca found with provided subject key ID"));
        }
        count_up(tx, bundle)
    }
}

/// Removes a tainted X.509 authority: what it signed holds no more.
pub struct RevokeX509Authority {
    /// Whose bundle.
    pub trust_domain: TrustDomain,
    /// The authority's ID.
    pub authority_id: String,
    /// Tells IDs.
    pub id_of: X509AuthorityId,
}

impl Unit for RevokeX509Authority {
    type Output = ();
    const NAME: &'static str = "bundle.x509.revoke";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<(), StoreError> {
        let mut bundle = found(tx, &self.trust_domain)?;
        let mut kept = Vec::with_capacity(bundle.x509_authorities.len());
        let before = bundle.x509_authorities.len();
        for authority in bundle.x509_authorities {
            let id =
                (self.id_of)(&authority).map_err(|error| internal(&format!("failed to parse root CA: {error}")))?;
            if id != self.authority_id {
                kept.push(authority);
            } else if !authority.tainted {
                return Err(malformed("it is not possible to revoke an untainted root CA"));
            }
        }
        if kept.len() == before {
            return Err(missing("no root CA found with provided subject key ID"));
        }
        bundle.x509_authorities = kept;
        count_up(tx, bundle)
    }
}

/// Marks a JWT authority as tainted.
pub struct TaintJwtAuthority {
    /// Whose bundle.
    pub trust_domain: TrustDomain,
    /// The authority's `kid`.
    pub authority_id: String,
}

impl Unit for TaintJwtAuthority {
    type Output = ();
    const NAME: &'static str = "bundle.jwt.taint";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<(), StoreError> {
        let mut bundle = found(tx, &self.trust_domain)?;
        let authority = bundle.jwt_authorities.iter_mut().find(|authority| authority.key_id == self.authority_id);
        let authority = authority.ok_or_else(|| missing("no JWT Key found with provided key ID"))?;
        if authority.tainted {
            return Err(malformed("key is already tainted"));
        }
        authority.tainted = true;
        count_up(tx, bundle)
    }
}

/// Removes a tainted JWT authority.
pub struct RevokeJwtAuthority {
    /// Whose bundle.
    pub trust_domain: TrustDomain,
    /// The authority's `kid`.
    pub authority_id: String,
}

impl Unit for RevokeJwtAuthority {
    type Output = ();
    const NAME: &'static str = "bundle.jwt.revoke";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<(), StoreError> {
        let mut bundle = found(tx, &self.trust_domain)?;
        let authority = bundle.jwt_authority(&self.authority_id);
        let authority = authority.ok_or_else(|| missing("no JWT Key found with provided key ID"))?;
        if !authority.tainted {
            return Err(malformed("it is not possible to revoke an untainted key"));
        }
        bundle.jwt_authorities.retain(|authority| authority.key_id != self.authority_id);
        count_up(tx, bundle)
    }
}

fn found(tx: &mut dyn WriteTx, trust_domain: &TrustDomain) -> Result<Bundle, StoreError> {
    tx.bundle(trust_domain)?.ok_or_else(StoreError::not_found)
}

fn count_up(tx: &mut dyn WriteTx, mut bundle: Bundle) -> Result<(), StoreError> {
    bundle.sequence_number += 1;
    super::bundle::put(tx, &bundle)
}

fn malformed(message: &str) -> StoreError {
    StoreError::new(ErrorClass::Malformed, message)
}

fn missing(message: &str) -> StoreError {
    StoreError::new(ErrorClass::NotFound, message)
}

fn internal(message: &str) -> StoreError {
    StoreError::new(ErrorClass::Internal, message)
}
