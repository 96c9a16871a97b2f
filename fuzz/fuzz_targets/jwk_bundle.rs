//! SPIFFE bundle documents: what is read can be written, and reads the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use steeple_crypto::bundle::{from_document, to_document, to_jwt_jwks};
use steeple_types::TrustDomain;

fuzz_target!(|bytes: &[u8]| {
    let trust_domain = TrustDomain::from_name("example.org").unwrap();
    let Ok(bundle) = from_document(trust_domain.clone(), bytes) else { return };
    let written = to_document(&bundle).unwrap();
    let read = from_document(trust_domain, written.as_bytes());
    // SPIRE writes no keys as null, which it does not read.
    if bundle.x509_authorities.is_empty() && bundle.jwt_authorities.is_empty() {
        assert!(read.is_err(), "{written}");
    } else {
        assert_eq!(read.unwrap(), bundle, "{written}");
    }
    to_jwt_jwks(&bundle).unwrap();
});
