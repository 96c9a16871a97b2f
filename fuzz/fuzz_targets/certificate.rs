//! Certificates in DER: one form for one content, and no more is believed than was read.
#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use steeple_crypto::keys::{PublicKey, PublicKeyKind};
use steeple_crypto::verify::verify_chain;
use steeple_crypto::x509::{Certificate, Name};

fuzz_target!(|bytes: &[u8]| {
    let Ok(certificate) = Certificate::from_der(bytes) else { return };
    assert_eq!(certificate.der(), bytes);
    let twice = [bytes, bytes].concat();
    assert!(Certificate::from_der(&twice).is_err());
    assert_eq!(Certificate::many_from_der(&twice).unwrap(), [certificate.clone(), certificate.clone()]);
    let key = certificate.public_key();
    match key.kind() {
        PublicKeyKind::Other => assert!(PublicKey::from_spki(key.spki()).is_err()),
        _ => assert_eq!(&PublicKey::from_spki(key.spki()).unwrap(), key),
    }
    assert!(certificate.uris().iter().chain(certificate.dns_names()).all(|name| name.is_ascii()));
    assert!(certificate.serial_decimal().bytes().all(|byte| byte.is_ascii_digit()));
    assert_eq!(certificate.fingerprint().len(), 40);
    if let Ok(id) = certificate.spiffe_id() {
        assert_eq!(certificate.uris(), [id.as_str()]);
    }
    let _: &Name = certificate.subject();
    // Nobody vouches for it.
    assert!(verify_chain(&[bytes], &[], Timestamp::UNIX_EPOCH).is_err());
    // Whom it vouches for itself must hold at the time.
    if verify_chain(&[bytes], &[bytes], certificate.not_after()).is_ok() {
        assert!(certificate.not_before() <= certificate.not_after());
    }
});
