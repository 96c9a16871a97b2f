//! SPIFFE bundle documents: what is read can be written, and reads the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use steeple_crypto::bundle::{BundleError, from_document, to_document, to_jwt_jwks};
use steeple_types::TrustDomain;

fuzz_target!(|bytes: &[u8]| {
    let trust_domain = TrustDomain::from_name("example.org").unwrap();
    let Ok(bundle) = from_document(trust_domain.clone(), bytes) else { return };
    to_jwt_jwks(&bundle).unwrap();
    let written = match to_document(&bundle) {
        Ok(written) => written,
        // The key of a certificate may be of a kind that no JWK tells, such as P-224.
        Err(error) => return assert!(matches!(error, BundleError::Key(_)), "{error}"),
    };
    let read = from_document(trust_domain, written.as_bytes());
    // SPIRE writes no keys as null, which it does not read.
    if bundle.x509_authorities.is_empty() && bundle.jwt_authorities.is_empty() {
        assert!(read.is_err(), "{written}");
    } else {
        assert_eq!(read.unwrap(), bundle, "{written}");
    }
});
