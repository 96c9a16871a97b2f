//! Certificate requests in DER: what was read can be asked for again, and the signature counts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use steeple_crypto::keys::SignatureAlgorithm;
use steeple_crypto::x509::{Csr, csr_to_be_signed, finish_csr};

fuzz_target!(|bytes: &[u8]| {
    let Ok(csr) = Csr::from_der(bytes) else { return };
    assert!(Csr::from_der(&[bytes, &[0]].concat()).is_err());
    let body = csr_to_be_signed(csr.subject(), csr.public_key(), csr.uris(), csr.dns_names());
    let again = Csr::from_der(&finish_csr(&body, SignatureAlgorithm::EcdsaSha256, b"none")).unwrap();
    assert!(again.verify_signature().is_err());
    assert_eq!(again.subject(), csr.subject());
    assert_eq!(again.public_key(), csr.public_key());
    assert_eq!((again.uris(), again.dns_names()), (csr.uris(), csr.dns_names()));
    if csr.verify_signature().is_ok() {
        // A key signs what it signed, not another request.
        let mut other = bytes.to_vec();
        let middle = other.len() / 2;
        other[middle] ^= 1;
        assert!(Csr::from_der(&other).map_or(true, |other| other.verify_signature().is_err()));
    }
});
