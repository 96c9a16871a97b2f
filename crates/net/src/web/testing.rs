//! Certificates for tests.

use jiff::Timestamp;
use steeple_crypto::keys::{KeyType, PrivateKey, SignatureAlgorithm};
use steeple_crypto::pem;
use steeple_crypto::x509::{CertificateTemplate, Name, Purpose};

/// A certificate of its own key for the web, and the key, PEM.
pub(crate) fn pair() -> (String, String) {
    let key = PrivateKey::generate(KeyType::EcP256).unwrap();
    let subject = Name::of("US", "SPIRE");
    let template = CertificateTemplate {
        serial: &[1],
        issuer: &subject.to_der(),
        subject: &subject,
        not_before: Timestamp::UNIX_EPOCH,
        not_after: "2060-01-01T00:00:00Z".parse().unwrap(),
        public_key: key.public_key(),
        authority_key_id: &[],
        purpose: Purpose::Leaf,
        uris: &[],
        dns_names: &["domain.test".to_owned()],
        signature: SignatureAlgorithm::EcdsaSha256,
    };
    let certificate = pem::encode("CERTIFICATE", &template.encode().sign(&key).unwrap());
    (certificate, pem::encode("PRIVATE KEY", &key.to_pkcs8().unwrap()))
}
