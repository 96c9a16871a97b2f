//! Signatures that others send: none that was not made with the key is taken, whatever its form.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use steeple_crypto::jws::{der_from_fixed, fixed_from_der};
use steeple_crypto::keys::{KeyType, PrivateKey, SignatureAlgorithm};

static RSA: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate(KeyType::Rsa2048).unwrap());
static EC: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate(KeyType::EcP256).unwrap());
static PSS: LazyLock<Vec<u8>> = LazyLock::new(|| RSA.sign(SignatureAlgorithm::RsaPssSha256, b"message").unwrap());

fuzz_target!(|bytes: &[u8]| {
    use SignatureAlgorithm as A;
    for algorithm in [A::RsaPkcs1Sha256, A::RsaPkcs1Sha512, A::RsaPssSha256, A::RsaPssSha512] {
        assert!(RSA.public_key().verify(algorithm, b"message", bytes).is_err());
    }
    for algorithm in [A::EcdsaSha256, A::EcdsaSha384] {
        assert!(EC.public_key().verify(algorithm, b"message", bytes).is_err());
    }
    assert!(RSA.public_key().verify_pss_any_salt(b"message", bytes).is_err());
    let mut bent = PSS.clone();
    for (byte, change) in bent.iter_mut().zip(bytes) {
        *byte ^= change;
    }
    let taken = RSA.public_key().verify_pss_any_salt(b"message", &bent).is_ok();
    assert_eq!(taken, bent == *PSS);
    if let Some(fixed) = fixed_from_der(bytes, 32) {
        let der = der_from_fixed(&fixed, 32).unwrap();
        assert_eq!(fixed_from_der(&der, 32), Some(fixed));
    }
});
