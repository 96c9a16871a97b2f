//! The keys of an OIDC issuer (RFC 7517, section 5).

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use crate::json::Object;
use crate::jwk::Jwk;
use crate::keys::PublicKey;

/// Longest document, in bytes.
const MAX_LENGTH: usize = 1 << 20;
/// Most keys of a document.
const MAX_KEYS: usize = 100;

/// Keys by their IDs.
#[derive(Clone, Debug, Default)]
pub struct KeySet(HashMap<String, PublicKey>);

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a document. Keys that are not for signatures, of unknown types or without an ID are left out.
    ///
    /// # Errors
    /// A text, when it is no document, too large, has two keys of one ID, or none that can be used.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        if text.len() > MAX_LENGTH {
            return Err(format!("it is longer than {MAX_LENGTH} bytes"));
        }
        let read = serde_json::from_slice(text).map_err(|error| format!("it is no JWK set: {error}"));
        let Object(document): Object<Document> = read?;
        if document.keys.len() > MAX_KEYS {
            return Err(format!("it has more than {MAX_KEYS} keys"));
        }
        let mut keys = HashMap::new();
        for key in document.keys {
            let Ok(Object(key)) = serde_json::from_value::<Object<Jwk>>(key) else { continue };
            let is_for_signatures = matches!(key.key_use.as_str(), "" | "sig") && !key.kid.is_empty();
            let Some(public) = key.to_key().ok().filter(|_| is_for_signatures) else { continue };
            if keys.insert(key.kid.clone(), public).is_some() {
                return Err(format!("it has two keys with the ID {:?}", key.kid));
            }
        }
        if keys.is_empty() { Err("it has no key that can be used".to_owned()) } else { Ok(Self(keys)) }
    }

    /// The key of an ID.
    pub fn key(&self, id: &str) -> Option<&PublicKey> {
        self.0.get(id)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::keys::{KeyType, PrivateKey};

    #[test]
    fn keys_for_signatures_are_taken_and_documents_that_could_mean_two_things_refused() {
        let key = PrivateKey::generate(KeyType::EcP256).unwrap().public_key().clone();
        let jwk = |id: &str, key_use: &str| {
            let jwk = Jwk { kid: id.to_owned(), key_use: key_use.to_owned(), ..Jwk::from_key(&key).unwrap() };
            serde_json::to_value(jwk).unwrap()
        };
        let read = |keys: Value| KeySet::parse(json!({ "keys": keys }).to_string().as_bytes());
        let secret = json!({ "kty": "oct", "kid": "s", "k": "AA" });
        let set = read(json!([jwk("a", "sig"), jwk("b", "enc"), jwk("", ""), secret, 7])).unwrap();
        assert_eq!((set.key("a"), set.key("b").is_some(), set.key("s").is_some()), (Some(&key), false, false));
        assert!(read(json!([jwk("a", ""), jwk("a", "")])).unwrap_err().contains("two keys with the ID \"a\""));
        assert!(read(json!([jwk("b", "enc")])).unwrap_err().contains("no key that can be used"));
        assert!(KeySet::parse(b"[[]]").unwrap_err().contains("no JWK set"));
    }
}
