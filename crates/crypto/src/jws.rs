//! JWT-SVIDs: signing, reading and verifying (JWT-SVID; RFC 7515, RFC 7519).

mod id_token;
mod key_set;

use std::collections::HashSet;
use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};
use steeple_types::SpiffeId;

use crate::der::{Reader, Writer, tag};
use crate::keys::{KeyError, PublicKey, PublicKeyKind, SignatureAlgorithm, Signer};

pub use id_token::IdToken;
pub use key_set::KeySet;

/// Longest token read, in bytes: no message that carries one may be longer, so that what was issued is also accepted.
const MAX_LENGTH: usize = 4 << 20;
/// How far clocks may be apart, in seconds.
const LEEWAY: f64 = 60.0;

/// Why a token was not accepted; the texts are SPIRE's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The token is not a JWS in compact form with an algorithm that SPIFFE allows.
    #[error("unable to parse JWT token: {0}")]
    Malformed(String),
    /// The header has no `kid`.
    #[error("token header missing key id")]
    NoKeyId,
    /// The claims have no `sub`.
    #[error("token missing subject claim")]
    NoSubject,
    /// The claims have no `exp`.
    #[error("token missing exp claim")]
    NoExpiry,
    /// The subject is not a SPIFFE ID.
    #[error("token has in invalid subject claim: {0}")]
    BadSubject(#[from] steeple_types::IdError),
    /// The trust domain is not known.
    #[error("no keys found for trust domain \"{0}\"")]
    UnknownTrustDomain(String),
    /// The trust domain has no such key.
    #[error("public key \"{key_id}\" not found in trust domain \"{trust_domain}\"")]
    UnknownKey {
        /// The `kid`.
        key_id: String,
        /// Whose bundle was looked at.
        trust_domain: String,
    },
    /// The signature does not fit.
    #[error("go-jose/go-jose: error in cryptographic primitive")]
    BadSignature,
    /// The token is past its expiry.
    #[error("token has expired")]
    Expired,
    /// The token is not valid yet.
    #[error("go-jose/go-jose/jwt: validation failed, token not valid yet (nbf)")]
    NotYet,
    /// The token was issued in the future.
    #[error("go-jose/go-jose/jwt: validation field, token issued in the future (iat)")]
    FromTheFuture,
    /// The issuer is another.
    #[error("issuer {found:?} is not {expected:?}")]
    WrongIssuer {
        /// The configured one.
        expected: String,
        /// The token's.
        found: String,
    },
    /// The audience is another.
    #[error("expected audience in {expected} (audience={found})")]
    WrongAudience {
        /// As Go prints the expected audiences with `%q`.
        expected: String,
        /// As Go prints the token's audiences with `%q`.
        found: String,
    },
}

/// A token that was read but not verified.
#[derive(Clone, Debug)]
pub struct Token<'a> {
    algorithm: SignatureAlgorithm,
    key_id: String,
    signed: &'a str,
    signature: Vec<u8>,
    claims: Map<String, Value>,
    subject: SpiffeId,
}

/// The name of the JWS algorithm with which a key of ours signs (RFC 7518, section 3.1).
///
/// # Errors
/// [`KeyError::Unusable`] for keys that don't sign here.
pub fn algorithm_name(key: &PublicKey) -> Result<&'static str, KeyError> {
    match key.kind() {
        PublicKeyKind::EcP256 => Ok("ES256"),
        PublicKeyKind::EcP384 => Ok("ES384"),
        PublicKeyKind::Rsa { .. } => Ok("RS256"),
        _ => Err(KeyError::Unusable("only P-256, P-384 and RSA keys sign here")),
    }
}

/// Signs `claims` into a token of the key `key_id`; header members and claims stand in alphabetical order, as from go-jose.
///
/// # Errors
/// [`KeyError`] when the signer fails.
pub async fn sign(signer: &dyn Signer, key_id: &str, claims: &Value) -> Result<String, KeyError> {
    let header = serde_json::json!({ "alg": algorithm_name(signer.public_key())?, "kid": key_id, "typ": "JWT" });
    let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let mut token = format!("{}.{}", encode(&header), encode(claims));
    let signature = signature(signer, token.as_bytes()).await?;
    token.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(&signature, &mut token);
    Ok(token)
}

/// The signature over what a JWS signs, by the algorithm that [`algorithm_name`] tells, in the form that JWS has it.
///
/// # Errors
/// [`KeyError`] when the signer fails.
pub async fn signature(signer: &dyn Signer, signed: &[u8]) -> Result<Vec<u8>, KeyError> {
    let key = signer.public_key();
    let signature = signer.sign(key.certificate_signature()?, signed).await?;
    match key.kind() {
        PublicKeyKind::Rsa { .. } => Ok(signature),
        kind => {
            coordinate_width(kind).and_then(|width| fixed_from_der(&signature, width)).ok_or(KeyError::BadSignature)
        }
    }
}

impl<'a> Token<'a> {
    /// Reads a token; nothing is verified yet.
    ///
    /// # Errors
    /// [`TokenError`] of everything that can be told without a key.
    pub fn parse(token: &'a str) -> Result<Self, TokenError> {
        let bad = |what: &str| TokenError::Malformed(what.to_owned());
        if token.len() > MAX_LENGTH {
            return Err(bad("token is longer than 4 MiB"));
        }
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad("go-jose/go-jose: compact JWS format must have three parts"));
        };
        let signed = token.get(..header.len() + 1 + claims.len()).unwrap_or_default();
        let (header, claims, signature) = (decoded(header)?, decoded(claims)?, decoded(signature)?);
        let header = object(&header).ok_or_else(|| bad("header is not a JSON object"))?;
        let text = |key: &str| header.get(key).and_then(Value::as_str).unwrap_or_default();
        let algorithm = algorithm(text("alg")).ok_or_else(|| unexpected_algorithm(text("alg")))?;
        if header.contains_key("crit") {
            return Err(bad("crit header is not supported"));
        }
        if header.contains_key("typ") && !matches!(text("typ"), "JWT" | "JOSE") {
            return Err(bad("typ header is neither JWT nor JOSE"));
        }
        let key_id = match text("kid") {
            "" => return Err(TokenError::NoKeyId),
            key_id => key_id.to_owned(),
        };
        let claims = object(&claims).ok_or_else(|| bad("claims are not a JSON object"))?;
        let subject = match claims.get("sub").and_then(Value::as_str).unwrap_or_default() {
            "" => return Err(TokenError::NoSubject),
            subject => SpiffeId::parse(subject)?,
        };
        if !claims.get("aud").is_none_or(is_audience) {
            return Err(bad("go-jose/go-jose/jwt: expected string or array value to unmarshal to Audience"));
        }
        if claims.get("exp").and_then(Value::as_f64).is_none() {
            return Err(TokenError::NoExpiry);
        }
        Ok(Self { algorithm, key_id, signed, signature, claims, subject })
    }

    /// The `kid`.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The `sub`.
    pub fn subject(&self) -> &SpiffeId {
        &self.subject
    }

    /// The claims, unverified.
    pub fn unverified_claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// Verifies signature, times and audience, and yields the ID and the claims.
    ///
    /// # Errors
    /// [`TokenError`] of the first thing that fails.
    pub fn verify(
        self,
        key: &PublicKey,
        audience: &str,
        now: Timestamp,
    ) -> Result<(SpiffeId, Map<String, Value>), TokenError> {
        let signature = match key.kind() {
            PublicKeyKind::Rsa { .. } => Some(self.signature.clone()),
            kind => coordinate_width(kind).and_then(|width| der_from_fixed(&self.signature, width)),
        };
        let signature = signature.ok_or(TokenError::BadSignature)?;
        if !fits(self.algorithm, key.kind()) {
            return Err(TokenError::BadSignature);
        }
        key.verify(self.algorithm, self.signed.as_bytes(), &signature).map_err(|_| TokenError::BadSignature)?;
        check_audience(&self.claims, audience)?;
        check_times(&self.claims, now)?;
        Ok((self.subject, self.claims))
    }
}

fn check_audience(claims: &Map<String, Value>, expected: &str) -> Result<(), TokenError> {
    let found: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if found.contains(&expected) {
        return Ok(());
    }
    let quoted: Vec<String> = found.iter().map(|text| format!("{text:?}")).collect();
    Err(TokenError::WrongAudience { expected: format!("[{expected:?}]"), found: format!("[{}]", quoted.join(" ")) })
}

#[expect(clippy::cast_precision_loss, reason = "seconds of this age are exact in a double")]
fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<(), TokenError> {
    let now = now.as_second() as f64;
    let number = |key: &str| claims.get(key).and_then(Value::as_f64);
    let expires_at = number("exp").ok_or(TokenError::NoExpiry)?;
    if number("nbf").is_some_and(|nbf| now + LEEWAY < nbf) {
        return Err(TokenError::NotYet);
    }
    if now - LEEWAY > expires_at {
        return Err(TokenError::Expired);
    }
    if number("iat").is_some_and(|iat| now + LEEWAY < iat) {
        return Err(TokenError::FromTheFuture);
    }
    Ok(())
}

/// The algorithms that SPIFFE allows (JWT-SVID, section 2.1).
fn algorithm(name: &str) -> Option<SignatureAlgorithm> {
    use SignatureAlgorithm as A;
    Some(match name {
        "ES256" => A::EcdsaSha256,
        "ES384" => A::EcdsaSha384,
        "ES512" => A::EcdsaSha512,
        "RS256" => A::RsaPkcs1Sha256,
        "RS384" => A::RsaPkcs1Sha384,
        "RS512" => A::RsaPkcs1Sha512,
        "PS256" => A::RsaPssSha256,
        "PS384" => A::RsaPssSha384,
        "PS512" => A::RsaPssSha512,
        _ => return None,
    })
}

fn unexpected_algorithm(name: &str) -> TokenError {
    let expected = r#"["RS256" "RS384" "RS512" "ES256" "ES384" "ES512" "PS256" "PS384" "PS512"]"#;
    TokenError::Malformed(format!("unexpected signature algorithm {name:?}; expected {expected}"))
}

/// Each ECDSA algorithm of JWS goes with one curve (RFC 7518, section 3.4).
fn fits(algorithm: SignatureAlgorithm, kind: PublicKeyKind) -> bool {
    match algorithm {
        SignatureAlgorithm::EcdsaSha256 => kind == PublicKeyKind::EcP256,
        SignatureAlgorithm::EcdsaSha384 => kind == PublicKeyKind::EcP384,
        SignatureAlgorithm::EcdsaSha512 => kind == PublicKeyKind::EcP521,
        _ => matches!(kind, PublicKeyKind::Rsa { .. }),
    }
}

/// Bytes of a coordinate on a curve that tokens are signed on.
fn coordinate_width(kind: PublicKeyKind) -> Option<usize> {
    match kind {
        PublicKeyKind::EcP256 => Some(32),
        PublicKeyKind::EcP384 => Some(48),
        PublicKeyKind::EcP521 => Some(66),
        _ => None,
    }
}

/// The two numbers of an ECDSA signature side by side, as JWS has them, from DER.
pub fn fixed_from_der(der: &[u8], width: usize) -> Option<Vec<u8>> {
    let mut reader = Reader::single(der, tag::SEQUENCE).ok()?;
    let mut out = Vec::with_capacity(width * 2);
    for _ in 0..2 {
        let number = reader.unsigned().ok()?;
        out.resize(out.len() + width.checked_sub(number.len())?, 0);
        out.extend_from_slice(number);
    }
    Some(out)
}

/// The DER form of an ECDSA signature from its two numbers side by side.
pub fn der_from_fixed(fixed: &[u8], width: usize) -> Option<Vec<u8>> {
    if fixed.len() != width * 2 {
        return None;
    }
    let (r, s) = fixed.split_at(width);
    Some(ecdsa_der(r, s))
}

/// The DER form of an ECDSA signature from its two numbers.
pub fn ecdsa_der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let mut writer = Writer::with_capacity(r.len() + s.len() + 16);
    writer.sequence(|w| {
        w.unsigned(r);
        w.unsigned(s);
    });
    writer.into_bytes()
}

/// Whether go-jose takes the claim: a text, or texts and nothing else.
fn is_audience(claim: &Value) -> bool {
    match claim {
        Value::Array(many) => many.iter().all(Value::is_string),
        claim => claim.is_string(),
    }
}

/// A part of a token without its base64url; the error is that of Go's decoder.
fn decoded(part: &str) -> Result<Vec<u8>, TokenError> {
    BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| {
        let is_strange = |byte: u8| !byte.is_ascii_alphanumeric() && byte != b'-' && byte != b'_';
        let place = part.bytes().position(is_strange).unwrap_or(part.len().saturating_sub(1));
        TokenError::Malformed(format!("illegal base64 data at input byte {place}"))
    })
}

fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice::<Unique>(bytes).ok().map(|unique| unique.0)
}

/// A JSON object in which no member stands twice (RFC 7519, section 4 lets us refuse those).
struct Unique(Map<String, Value>);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Unique;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Unique, A::Error> {
                let (mut members, mut seen) = (Map::new(), HashSet::new());
                while let Some((key, value)) = access.next_entry::<String, Value>()? {
                    if !seen.insert(key.clone()) {
                        return Err(serde::de::Error::custom("duplicate member"));
                    }
                    members.insert(key, value);
                }
                Ok(Unique(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::keys::{KeyType, LocalSigner, PrivateKey};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    async fn token(kind: KeyType, claims: Value) -> (PublicKey, String) {
        let signer = LocalSigner(PrivateKey::generate(kind).unwrap());
        let token = sign(&signer, "k1", &claims).await.unwrap();
        (signer.public_key().clone(), token)
    }

    fn claims() -> Value {
        json!({ "aud": ["a", "b"], "exp": 1000, "iat": 900, "sub": "spiffe://example.org/w" })
    }

    #[tokio::test]
    async fn tokens_of_each_key_type_verify() {
        for kind in [KeyType::EcP256, KeyType::EcP384, KeyType::Rsa2048] {
            let (key, token) = token(kind, claims()).await;
            let parsed = Token::parse(&token).unwrap();
            assert_eq!(parsed.key_id(), "k1");
            let (id, claims) = parsed.verify(&key, "b", at(950)).unwrap();
            assert_eq!(id.as_str(), "spiffe://example.org/w");
            assert_eq!(claims["exp"], 1000);
        }
    }

    #[tokio::test]
    async fn token_with_all_the_audience_that_a_message_holds_verifies() {
        let audience = "a".repeat(3_000_000);
        let claims = json!({ "aud": [audience], "exp": 1000, "sub": "spiffe://example.org/w" });
        let (key, token) = token(KeyType::EcP256, claims).await;
        assert!(Token::parse(&token).unwrap().verify(&key, &audience, at(950)).is_ok());
        let longer = Token::parse(&format!("{token}{}", "A".repeat(MAX_LENGTH))).err();
        assert_eq!(longer, Some(TokenError::Malformed("token is longer than 4 MiB".to_owned())));
    }

    #[tokio::test]
    async fn times_and_audience_count() {
        let (key, token) = token(KeyType::EcP256, claims()).await;
        let verify = |audience, second| Token::parse(&token).unwrap().verify(&key, audience, at(second)).err();
        assert_eq!(verify("a", 1060), None);
        assert_eq!(verify("a", 1061), Some(TokenError::Expired));
        assert_eq!(verify("a", 839), Some(TokenError::FromTheFuture));
        assert_eq!(verify("c", 950).unwrap().to_string(), "expected audience in [\"c\"] (audience=[\"a\" \"b\"])");
    }

    #[tokio::test]
    async fn forgeries_are_refused() {
        let (key, token) = token(KeyType::EcP256, claims()).await;
        let (other, _) = self::token(KeyType::EcP256, claims()).await;
        assert_eq!(Token::parse(&token).unwrap().verify(&other, "a", at(950)).err(), Some(TokenError::BadSignature));
        let mut parts: Vec<&str> = token.split('.').collect();
        let forged =
            BASE64_URL_SAFE_NO_PAD.encode(json!({"aud":["a"],"exp":9000,"sub":"spiffe://example.org/x"}).to_string());
        parts[1] = &forged;
        let forged = parts.join(".");
        assert_eq!(Token::parse(&forged).unwrap().verify(&key, "a", at(950)).err(), Some(TokenError::BadSignature));
    }

    #[test]
    fn audience_is_texts_alone() {
        let parse = |claims: &Value| {
            let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
            let header = json!({ "alg": "ES256", "kid": "k" });
            Token::parse(&format!("{}.{}.", part(&header), part(claims))).err().map(|error| error.to_string())
        };
        for (audience, taken) in [
            (json!("a"), true),
            (json!(["a", "b"]), true),
            (json!([]), true),
            (json!([null, "a"]), false),
            (json!(["a", 7]), false),
            (json!(null), false),
            (json!({ "a": "b" }), false),
        ] {
            let fault = parse(&json!({ "aud": audience, "sub": "spiffe://e/w", "exp": 1 }));
            assert_eq!(fault.is_none(), taken, "{audience}: {fault:?}");
            assert!(taken || fault.unwrap().contains("expected string or array value to unmarshal to Audience"));
        }
    }

    #[test]
    fn loose_tokens_are_refused() {
        let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let claims = encode(r#"{"sub":"spiffe://e/w","exp":1}"#);
        let none = format!("{}.{claims}.", encode(r#"{"alg":"none","kid":"k"}"#));
        assert!(matches!(Token::parse(&none), Err(TokenError::Malformed(_))));
        // Readers differ in which of two members counts, so neither order is taken.
        for twice in [r#"{"alg":"ES256","alg":"none","kid":"k"}"#, r#"{"alg":"none","alg":"ES256","kid":"k"}"#] {
            let twice = format!("{}.{claims}.AA", encode(twice));
            assert!(matches!(Token::parse(&twice), Err(TokenError::Malformed(_))));
        }
        let hs = format!("{}.{claims}.AA", encode(r#"{"alg":"HS256","kid":"k"}"#));
        assert!(matches!(Token::parse(&hs), Err(TokenError::Malformed(_))));
        let anonymous = format!("{}.{claims}.AA", encode(r#"{"alg":"ES256"}"#));
        assert_eq!(Token::parse(&anonymous).err(), Some(TokenError::NoKeyId));
        assert!(Token::parse("a.b").is_err() && Token::parse("").is_err());
    }

    /// The texts of go-jose v4.1.3.
    #[test]
    fn what_is_no_token_is_told_as_by_go() {
        let expected = r#"["RS256" "RS384" "RS512" "ES256" "ES384" "ES512" "PS256" "PS384" "PS512"]"#;
        for (token, said) in [
            ("", "go-jose/go-jose: compact JWS format must have three parts".to_owned()),
            ("a.b", "go-jose/go-jose: compact JWS format must have three parts".to_owned()),
            ("a.b.c.d", "go-jose/go-jose: compact JWS format must have three parts".to_owned()),
            ("a.b.c", "illegal base64 data at input byte 0".to_owned()),
            ("e30.e30.YWJj!", "illegal base64 data at input byte 4".to_owned()),
            ("e30.e30.YWJjZ", "illegal base64 data at input byte 4".to_owned()),
            ("e30.e30=.YQ", "illegal base64 data at input byte 3".to_owned()),
            ("e30.e30.YQ", format!("unexpected signature algorithm \"\"; expected {expected}")),
        ] {
            assert_eq!(Token::parse(token).unwrap_err().to_string(), format!("unable to parse JWT token: {said}"));
        }
    }
}
