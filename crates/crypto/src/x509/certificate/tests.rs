//! Authorities that SPIRE takes and this product does not make, by OpenSSL 3.0.

use jiff::Timestamp;
use steeple_types::{Bundle, TrustDomain, X509Authority};

use super::Certificate;
use crate::bundle;
use crate::jwk::Jwk;
use crate::keys::{PublicKey, PublicKeyKind};
use crate::pem;
use crate::verify::verify_chain;

const ED25519: &str = include_str!("../../../testdata/ed25519.pem");
const ED448: &str = include_str!("../../../testdata/ed448.pem");
const P224: &str = include_str!("../../../testdata/p224.pem");
const RSA_1024: &str = include_str!("../../../testdata/rsa1024.pem");
const VERSION_1: &str = include_str!("../../../testdata/version1.pem");
const LEAF_OF_ED25519: &str = include_str!("../../../testdata/leaf-of-ed25519.pem");
const LEAF_OF_VERSION_1: &str = include_str!("../../../testdata/leaf-of-version1.pem");

fn read(text: &str) -> Certificate {
    Certificate::from_der(&pem::certificates(text).unwrap()[0]).unwrap()
}

/// When all of them hold.
fn now() -> Timestamp {
    read(ED25519).not_after() - jiff::SignedDuration::from_hours(24)
}

#[test]
fn authorities_of_every_kind_are_read() {
    let kinds = [ED25519, ED448, P224, RSA_1024, VERSION_1].map(|text| read(text).public_key().kind());
    let expected = [
        PublicKeyKind::Ed25519,
        PublicKeyKind::Other,
        PublicKeyKind::EcP224,
        PublicKeyKind::Rsa { bits: 1024 },
        PublicKeyKind::EcP256,
    ];
    assert_eq!(kinds, expected);
    assert!(PublicKey::from_spki(read(ED448).public_key().spki()).is_err());
}

#[test]
fn authorities_that_are_known_are_verified_with() {
    for (leaf, authority) in [(LEAF_OF_ED25519, ED25519), (LEAF_OF_VERSION_1, VERSION_1)] {
        let (leaf, authority) = (read(leaf), read(authority));
        assert!(leaf.is_signed_by(&authority));
        // Others in the bundle, of whatever kind, don't stand in the way.
        let others = [ED448, P224, RSA_1024].map(read);
        let authorities: Vec<&[u8]> = others.iter().chain([&authority]).map(Certificate::der).collect();
        verify_chain(&[leaf.der()], &authorities, now()).unwrap();
        assert!(verify_chain(&[leaf.der()], &authorities[..3], now()).is_err());
    }
    assert!(!read(LEAF_OF_VERSION_1).is_signed_by(&read(ED25519)));
}

#[test]
fn ed25519_is_told_and_read_in_documents() {
    let key = read(ED25519).public_key().clone();
    let jwk = Jwk::from_key(&key).unwrap();
    assert_eq!((jwk.kty.as_str(), jwk.crv.as_str()), ("OKP", "Ed25519"));
    assert_eq!(jwk.to_key().unwrap(), key);

    let trust_domain = TrustDomain::from_name("foreign.example").unwrap();
    let mut told = Bundle::empty(trust_domain.clone());
    told.x509_authorities.push(X509Authority { certificate: read(ED25519).der().to_vec(), tainted: false });
    let text = bundle::to_document(&told).unwrap();
    assert_eq!(bundle::from_document(trust_domain, text.as_bytes()).unwrap().x509_authorities, told.x509_authorities);
}

#[test]
fn certificates_of_the_first_version_have_no_extensions() {
    let authority = read(VERSION_1);
    assert!(!authority.is_ca() && authority.is_self_issued() && authority.subject_key_id().is_empty());
}
