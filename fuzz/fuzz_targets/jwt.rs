//! JWT-SVIDs: only what the right key signed is accepted, in one form.
#![no_main]

use std::sync::LazyLock;

use futures::executor::block_on;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use steeple_crypto::jws::{Token, sign};
use steeple_crypto::keys::{KeyType, LocalSigner, PrivateKey, Signer};

static SIGNERS: LazyLock<Vec<LocalSigner>> = LazyLock::new(|| {
    let kinds = [KeyType::EcP256, KeyType::EcP384, KeyType::Rsa2048];
    kinds.into_iter().map(|kind| LocalSigner(PrivateKey::generate(kind).unwrap())).collect()
});

const CLAIMS: &str = r#"{"aud":["a"],"exp":4102444800,"sub":"spiffe://example.org/w"}"#;

static SIGNED: LazyLock<String> =
    LazyLock::new(|| block_on(sign(&SIGNERS[0], "key", &CLAIMS.parse().unwrap())).unwrap());

fuzz_target!(|text: &str| {
    if let Ok(token) = Token::parse(text) {
        assert!(!token.key_id().is_empty());
        assert_eq!(token.unverified_claims()["sub"], token.subject().as_str());
        for signer in SIGNERS.iter() {
            let verified = token.clone().verify(signer.public_key(), "a", Timestamp::UNIX_EPOCH);
            assert!(verified.is_err(), "a key that did not sign {text:?} verified it");
        }
    }
    mix(text);
});

/// A part of a good token in another's place makes a bad one.
fn mix(text: &str) {
    let parts: Vec<&str> = SIGNED.split('.').collect();
    for place in 0..3 {
        let mut mixed = parts.clone();
        mixed[place] = text;
        if mixed == parts {
            continue;
        }
        let mixed = mixed.join(".");
        if let Ok(token) = Token::parse(&mixed) {
            assert!(token.verify(SIGNERS[0].public_key(), "a", Timestamp::UNIX_EPOCH).is_err(), "{mixed}");
        }
    }
}
