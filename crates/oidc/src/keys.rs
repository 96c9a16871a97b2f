//! JWT authorities as the keys of a JWK set.

use serde::Serialize;
use steeple_crypto::jwk::Jwk;
use steeple_crypto::keys::{KeyError, PublicKey, PublicKeyKind};
use tracing::error;

use crate::respond::escape_html;

/// A JWT authority as a key with its algorithm. A key whose algorithm SPIRE's tokens don't use is left without one.
///
/// # Errors
/// [`KeyError`] for keys that have no form as a JWK.
pub(crate) fn key(kid: &str, public_key: &PublicKey) -> Result<Jwk, KeyError> {
    let alg = algorithm(public_key.kind()).unwrap_or_else(|reason| {
        error!(kid, error = reason, "Failed to get public key algorithm");
        String::new()
    });
    Ok(Jwk { kid: kid.to_owned(), alg, ..Jwk::from_key(public_key)? })
}

fn algorithm(kind: PublicKeyKind) -> Result<String, String> {
    match kind {
        PublicKeyKind::EcP256 => Ok("ES256".to_owned()),
        PublicKeyKind::EcP384 => Ok("ES384".to_owned()),
        PublicKeyKind::EcP224 => Err("unable to determine signature algorithm for EC public key size 224".to_owned()),
        PublicKeyKind::EcP521 => Err("unable to determine signature algorithm for EC public key size 521".to_owned()),
        PublicKeyKind::Rsa { bits } if bits.div_ceil(8) < 256 => {
            Err(format!("unsupported RSA key size: {}", bits.div_ceil(8)))
        }
        PublicKeyKind::Rsa { .. } => Ok("RS256".to_owned()),
        PublicKeyKind::Ed25519 => {
            Err("unable to determine signature algorithm for public key type ed25519.PublicKey".to_owned())
        }
        PublicKeyKind::Other => Err("unable to determine signature algorithm for a key of an unknown kind".to_owned()),
    }
}

#[derive(Serialize)]
struct Set {
    keys: Vec<Jwk>,
}

/// The JWK set of `keys` (RFC 7517, section 5), which say that they are for signatures if `set_use`.
///
/// # Errors
/// When it can't be written, which does not happen.
pub(crate) fn document(keys: &[Jwk], set_use: bool) -> Result<String, serde_json::Error> {
    let key_use = if set_use { "sig" } else { "" };
    let keys = keys.iter().map(|key| Jwk { key_use: key_use.to_owned(), ..key.clone() }).collect();
    serde_json::to_string_pretty(&Set { keys }).map(|text| escape_html(&text))
}

#[cfg(test)]
mod tests {
    use steeple_crypto::keys::{KeyType, PrivateKey};

    use super::*;
    use crate::testing::{ec_key, rsa_key};

    #[test]
    fn set_is_written_as_spire_writes_it() {
        let expected = r#"{
  "keys": [
    {
      "kty": "EC",
      "kid": "one",
      "crv": "P-256",
      "alg": "ES256",
      "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
      "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"
    }
  ]
}"#;
        let keys = [key("one", &ec_key()).unwrap()];
        assert_eq!(document(&keys, false).unwrap(), expected);
        let with_use = expected.replace("      \"kty\"", "      \"use\": \"sig\",\n      \"kty\"");
        assert_eq!(document(&keys, true).unwrap(), with_use);
    }

    #[test]
    fn rsa_key_has_its_numbers() {
        let text = document(&[key("two", &rsa_key()).unwrap()], false).unwrap();
        let (start, end) = (
            "{\n  \"keys\": [\n    {\n      \"kty\": \"RSA\",\n      \"kid\": \"two\",\n      \"alg\": \"RS256\",\n",
            ",\n      \"e\": \"AQAB\"\n    }\n  ]\n}",
        );
        assert!(text.starts_with(start) && text.ends_with(end), "{text}");
        assert!(text.contains("\"n\": \"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2"), "{text}");
    }

    #[test]
    fn algorithm_follows_the_key() {
        let ec = PrivateKey::generate(KeyType::EcP384).unwrap();
        assert_eq!(key("k", ec.public_key()).unwrap().alg, "ES384");
        assert_eq!(algorithm(PublicKeyKind::Rsa { bits: 1024 }).unwrap_err(), "unsupported RSA key size: 128");
        assert!(algorithm(PublicKeyKind::EcP521).is_err());
    }
}
