//! Trust bundles.

use jiff::Timestamp;

use crate::TrustDomain;

/// An X.509 authority: a root certificate of a trust domain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct X509Authority {
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// Whether the authority is tainted: SVIDs that it signed are to be replaced.
    pub tainted: bool,
}

/// A JWT authority: a public key that verifies JWT-SVIDs of a trust domain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JwtAuthority {
    /// The `kid`.
    pub key_id: String,
    /// The public key, PKIX DER (SubjectPublicKeyInfo).
    pub public_key: Vec<u8>,
    /// When the key expires; `None` when not known.
    pub expires_at: Option<Timestamp>,
    /// Whether the authority is tainted.
    pub tainted: bool,
}

/// The bundle of a trust domain: what its SVIDs are verified by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Whose bundle it is.
    pub trust_domain: TrustDomain,
    /// X.509 authorities in the order of the datastore.
    pub x509_authorities: Vec<X509Authority>,
    /// JWT authorities in the order of the datastore.
    pub jwt_authorities: Vec<JwtAuthority>,
    /// How often readers should refresh, seconds; 0 when not stated.
    pub refresh_hint: i64,
    /// Grows with every change.
    pub sequence_number: u64,
}

impl Bundle {
    /// A bundle without authorities, sequence number 0.
    pub fn empty(trust_domain: TrustDomain) -> Self {
        Self {
            trust_domain,
            x509_authorities: Vec::new(),
            jwt_authorities: Vec::new(),
            refresh_hint: 0,
            sequence_number: 0,
        }
    }

    /// The JWT authority of a `kid`.
    pub fn jwt_authority(&self, key_id: &str) -> Option<&JwtAuthority> {
        self.jwt_authorities.iter().find(|authority| authority.key_id == key_id)
    }
}
