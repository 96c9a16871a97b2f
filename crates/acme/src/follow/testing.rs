//! An authority for tests, and what it issues.

use jiff::Timestamp;
use steeple_crypto::keys::{PrivateKey, PublicKey, SignatureAlgorithm};
use steeple_crypto::x509::{CertificateTemplate, Name, Purpose};

/// A certificate of `key` for `domain`, signed by itself.
pub(crate) fn certificate(domain: &str, key: &PrivateKey, from: Timestamp, until: Timestamp) -> Vec<u8> {
    issued(domain, key.public_key(), key, from, until)
}

/// A certificate of `key` for `domain`, signed by `issuer`.
pub(crate) fn issued(domain: &str, key: &PublicKey, issuer: &PrivateKey, from: Timestamp, until: Timestamp) -> Vec<u8> {
    let subject = Name::of("US", "WEB");
    let template = CertificateTemplate {
        serial: &[1],
        issuer: &subject.to_der(),
        subject: &subject,
        not_before: from,
        not_after: until,
        public_key: key,
        authority_key_id: &[],
        purpose: Purpose::Leaf,
        uris: &[],
        dns_names: &[domain.to_owned()],
        signature: SignatureAlgorithm::EcdsaSha256,
    };
    template.encode().sign(issuer).unwrap()
}
