//! Tokens of OIDC issuers, their keys, and what they say of groups: only what the right key signed for this server is believed.
#![no_main]

use std::sync::LazyLock;

use futures::executor::block_on;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use steeple_crypto::jws::{IdToken, KeySet, sign};
use steeple_crypto::keys::{KeyType, LocalSigner, PrivateKey, Signer};
use steeple_server::token_facts;

const ISSUER: &str = "https://idp.example";

static SIGNER: LazyLock<LocalSigner> =
    LazyLock::new(|| LocalSigner(PrivateKey::generate(KeyType::EcP256).expect("a key")));

static SIGNED: LazyLock<String> = LazyLock::new(|| {
    let claims = json!({ "iss": ISSUER, "aud": "steeple", "sub": "mia", "exp": 4_102_444_800_i64, "groups": ["a"] });
    block_on(sign(&*SIGNER, "k", &claims)).expect("a token")
});

fuzz_target!(|text: &str| {
    let _ = KeySet::parse(text.as_bytes());
    if let Ok(token) = IdToken::parse(text) {
        assert!(!token.key_id().is_empty());
        let verified = token.verify(SIGNER.public_key(), ISSUER, "steeple", Timestamp::UNIX_EPOCH);
        assert!(verified.is_err(), "a key that did not sign {text:?} verified it");
    }
    mix(text);
    claims(text);
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
        if let Ok(token) = IdToken::parse(&mixed) {
            let verified = token.verify(SIGNER.public_key(), ISSUER, "steeple", Timestamp::UNIX_EPOCH);
            assert!(verified.is_err(), "{mixed}");
        }
    }
}

/// Claims that an issuer did sign: for whom and from whom they are is checked still, and groups are texts.
fn claims(text: &str) {
    let Ok(Value::Object(claims)) = serde_json::from_str::<Value>(text) else { return };
    if let Ok(facts) = token_facts("corp", "groups", &claims) {
        assert_eq!(claims["sub"], facts.user.as_str());
        let groups = claims.get("groups").and_then(Value::as_array).map_or(0, Vec::len);
        assert_eq!(groups, facts.groups.len());
    }
    let Ok(token) = block_on(sign(&*SIGNER, "k", &Value::Object(claims.clone()))) else { return };
    let Ok(token) = IdToken::parse(&token) else { return };
    if token.verify(SIGNER.public_key(), ISSUER, "steeple", Timestamp::UNIX_EPOCH).is_ok() {
        assert_eq!(claims["iss"], ISSUER);
        assert!(claims["aud"] == "steeple" || claims["aud"].as_array().is_some_and(|all| all.contains(&json!("steeple"))));
        assert!(claims["exp"].as_f64().is_some_and(|exp| exp >= -60.0));
    }
}
