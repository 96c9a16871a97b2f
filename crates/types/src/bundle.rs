//! Trust bundles.

use std::collections::HashSet;
use std::hash::Hash;

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

    /// Whether it says the same as `other`: authorities in another order are the same.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        self.has_the_authorities_of(other)
            && (self.refresh_hint, self.sequence_number) == (other.refresh_hint, other.sequence_number)
    }

    /// Whether it has the authorities of `other` and no others, in any order.
    pub fn has_the_authorities_of(&self, other: &Self) -> bool {
        self.trust_domain == other.trust_domain
            && same(&self.x509_authorities, &other.x509_authorities)
            && same(&self.jwt_authorities, &other.jwt_authorities)
    }

    /// Whether both tell a sequence number, and this one the lower (SPIFFE Federation, section 4.2).
    pub fn is_older_than(&self, other: &Self) -> bool {
        self.sequence_number != 0 && self.sequence_number < other.sequence_number
    }
}

/// Whether two lists hold the same, in any order.
fn same<T: Eq + Hash>(one: &[T], other: &[T]) -> bool {
    let set = HashSet::<&T>::from_iter;
    one.len() == other.len() && set(one) == set(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(keys: &[&str], sequence_number: u64) -> Bundle {
        let authority = |key: &&str| JwtAuthority {
            key_id: (*key).to_owned(),
            public_key: key.as_bytes().to_vec(),
            expires_at: None,
            tainted: false,
        };
        let jwt_authorities = keys.iter().map(authority).collect();
        Bundle { jwt_authorities, sequence_number, ..Bundle::empty(TrustDomain::from_name("a.example").unwrap()) }
    }

    #[test]
    fn order_of_authorities_says_nothing() {
        let one = bundle(&["a", "b"], 1);
        assert!(one.says_the_same_as(&bundle(&["b", "a"], 1)));
        assert!(one.has_the_authorities_of(&bundle(&["b", "a"], 2)));
        for other in [bundle(&["a"], 1), bundle(&["a", "c"], 1), bundle(&["a", "b"], 2), bundle(&["a", "b", "b"], 1)] {
            assert!(!one.says_the_same_as(&other), "{other:?}");
        }
    }

    #[test]
    fn sequence_numbers_count_only_where_both_are_told() {
        for (one, other, older) in [(1, 2, true), (2, 2, false), (3, 2, false), (0, 2, false), (2, 0, false)] {
            assert_eq!(bundle(&[], one).is_older_than(&bundle(&[], other)), older, "{one} {other}");
        }
    }
}
