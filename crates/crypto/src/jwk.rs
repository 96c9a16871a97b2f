//! JSON Web Keys (RFC 7517, RFC 7518 section 6), public ones only.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::digest::sha256;
use crate::keys::{KeyError, PublicKey, PublicKeyKind};

/// One key; members stand in the order in which go-jose writes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// What the key is used for.
    #[serde(rename = "use", default, skip_serializing_if = "String::is_empty")]
    pub key_use: String,
    /// Type of the key: `EC`, `RSA` or `OKP`.
    pub kty: String,
    /// Key ID.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kid: String,
    /// Curve.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub crv: String,
    /// Algorithm.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub alg: String,
    /// First coordinate.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub x: String,
    /// Second coordinate.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub y: String,
    /// Modulus.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub n: String,
    /// Exponent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub e: String,
    /// Certificates, base64 of DER.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub x5c: Vec<String>,
}

impl Jwk {
    /// The key in the form of a JWK.
    ///
    /// # Errors
    /// [`KeyError::Unusable`] for keys that have no such form: those on P-224, and of kinds that are unknown here.
    pub fn from_key(key: &PublicKey) -> Result<Self, KeyError> {
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let crv = match key.kind() {
            PublicKeyKind::EcP256 => "P-256",
            PublicKeyKind::EcP384 => "P-384",
            PublicKeyKind::EcP521 => "P-521",
            PublicKeyKind::Rsa { .. } => {
                let (modulus, exponent) = key.rsa_numbers().ok_or(KeyError::Unusable("malformed RSA key"))?;
                return Ok(Self { kty: "RSA".into(), n: encode(modulus), e: encode(exponent), ..Self::default() });
            }
            // RFC 8037, section 2.
            PublicKeyKind::Ed25519 => {
                let x = encode(key.bits());
                return Ok(Self { kty: "OKP".into(), crv: "Ed25519".into(), x, ..Self::default() });
            }
            PublicKeyKind::EcP224 | PublicKeyKind::Other => {
                return Err(KeyError::Unusable("it can't be told as a JWK"));
            }
        };
        // An uncompressed point: 04, then both coordinates in full width.
        let coordinates = key.bits().get(1..).unwrap_or_default();
        let (x, y) = coordinates.split_at(coordinates.len() / 2);
        Ok(Self { kty: "EC".into(), crv: crv.into(), x: encode(x), y: encode(y), ..Self::default() })
    }

    /// The same with a certificate (DER).
    #[must_use]
    pub fn with_certificate(mut self, der: &[u8]) -> Self {
        self.x5c = vec![BASE64_STANDARD.encode(der)];
        self
    }

    /// SHA-256 of the key's required members (RFC 7638).
    pub fn thumbprint(&self) -> [u8; 32] {
        let Self { kty, crv, x, y, n, e, .. } = self;
        sha256(
            match kty.as_str() {
                "RSA" => format!(r#"{{"e":"{e}","kty":"{kty}","n":"{n}"}}"#),
                "OKP" => format!(r#"{{"crv":"{crv}","kty":"{kty}","x":"{x}"}}"#),
                _ => format!(r#"{{"crv":"{crv}","kty":"{kty}","x":"{x}","y":"{y}"}}"#),
            }
            .as_bytes(),
        )
    }

    /// The certificates, DER.
    ///
    /// # Errors
    /// [`KeyError::Unusable`] when one is not base64.
    pub fn certificates(&self) -> Result<Vec<Vec<u8>>, KeyError> {
        let decode = |text: &String| BASE64_STANDARD.decode(text).map_err(|_| KeyError::Unusable("x5c is not base64"));
        self.x5c.iter().map(decode).collect()
    }

    /// The key itself.
    ///
    /// # Errors
    /// [`KeyError::Unusable`] for keys of other kinds or with malformed numbers.
    pub fn to_key(&self) -> Result<PublicKey, KeyError> {
        match self.kty.as_str() {
            "EC" => {
                let (kind, width) = match self.crv.as_str() {
                    "P-256" => (PublicKeyKind::EcP256, 32),
                    "P-384" => (PublicKeyKind::EcP384, 48),
                    "P-521" => (PublicKeyKind::EcP521, 66),
                    _ => return Err(KeyError::Unusable("unknown curve")),
                };
                let (x, y) = (number(&self.x)?, number(&self.y)?);
                if x.len() != width || y.len() != width {
                    return Err(KeyError::Unusable("coordinate of wrong length"));
                }
                PublicKey::from_point(kind, &[&[4], x.as_slice(), &y].concat())
            }
            "RSA" => {
                let (modulus, exponent) = (number(&self.n)?, number(&self.e)?);
                let mut writer = crate::der::Writer::with_capacity(modulus.len() + 32);
                writer.sequence(|w| {
                    w.unsigned(&modulus);
                    w.unsigned(&exponent);
                });
                PublicKey::from_rsa(&writer.into_bytes())
            }
            "OKP" if self.crv == "Ed25519" => PublicKey::from_ed25519(&number(&self.x)?),
            _ => Err(KeyError::Unusable("unknown kty")),
        }
    }
}

fn number(text: &str) -> Result<Vec<u8>, KeyError> {
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyError::Unusable("number is not base64url"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{KeyType, PrivateKey};

    #[test]
    fn thumbprint_is_that_of_the_standard() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj\
                 hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5\
                 hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let key = Jwk { kty: "RSA".into(), n: n.into(), e: "AQAB".into(), kid: "2011-04-29".into(), ..Jwk::default() };
        let expected = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
        assert_eq!(BASE64_URL_SAFE_NO_PAD.encode(key.thumbprint()), expected);
    }

    #[test]
    fn keys_survive() {
        for kind in [KeyType::EcP256, KeyType::EcP384, KeyType::Rsa2048] {
            let key = PrivateKey::generate(kind).unwrap();
            let text = serde_json::to_string(&Jwk::from_key(key.public_key()).unwrap()).unwrap();
            let jwk: Jwk = serde_json::from_str(&text).unwrap();
            assert_eq!(&jwk.to_key().unwrap(), key.public_key(), "{text}");
        }
    }
}
