//! Tokens of OIDC issuers (OpenID Connect Core 1.0, section 2), read as strictly as RFC 8725 advises.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{TokenError, algorithm, check_times, coordinate_width, decoded, der_from_fixed, fits, is_audience, object};
use crate::keys::{PublicKey, PublicKeyKind, SignatureAlgorithm};

/// Longest token read, in bytes: what fits into a header of HTTP.
const MAX_LENGTH: usize = 16 << 10;
/// Longest `sub` (OpenID Connect Core 1.0, section 2), in bytes.
const MAX_SUBJECT: usize = 255;

/// A token that was read but not verified.
#[derive(Clone, Debug)]
pub struct IdToken<'a> {
    algorithm: SignatureAlgorithm,
    key_id: String,
    signed: &'a str,
    signature: Vec<u8>,
    claims: Map<String, Value>,
}

impl<'a> IdToken<'a> {
    /// Reads a token; nothing is verified yet.
    ///
    /// # Errors
    /// [`TokenError`] of everything that can be told without a key.
    pub fn parse(token: &'a str) -> Result<Self, TokenError> {
        let bad = |what: &str| TokenError::Malformed(what.to_owned());
        if token.len() > MAX_LENGTH {
            return Err(bad("token is longer than 16 KiB"));
        }
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad("a token has three parts"));
        };
        let signed = token.get(..header.len() + 1 + claims.len()).unwrap_or_default();
        let (header, claims, signature) = (decoded(header)?, decoded(claims)?, decoded(signature)?);
        let header = object(&header).ok_or_else(|| bad("header is not a JSON object"))?;
        let text = |key: &str| header.get(key).and_then(Value::as_str).unwrap_or_default();
        // Neither `none` nor algorithms with a shared secret are among them.
        let algorithm =
            algorithm(text("alg")).ok_or_else(|| bad(&format!("algorithm {:?} is refused", text("alg"))))?;
        if header.contains_key("crit") {
            return Err(bad("crit header is not supported"));
        }
        if header.contains_key("typ") && !matches!(text("typ"), "JWT" | "at+jwt") {
            return Err(bad("typ header is neither JWT nor at+jwt"));
        }
        let key_id = match text("kid") {
            "" => return Err(TokenError::NoKeyId),
            key_id => key_id.to_owned(),
        };
        let claims = object(&claims).ok_or_else(|| bad("claims are not a JSON object"))?;
        match claims.get("sub").and_then(Value::as_str).unwrap_or_default() {
            "" => return Err(TokenError::NoSubject),
            subject if subject.len() > MAX_SUBJECT => return Err(bad("sub is longer than 255 bytes")),
            _ => {}
        }
        if !claims.get("aud").is_some_and(is_audience) {
            return Err(bad("aud is neither a text nor texts"));
        }
        let times = ["exp", "nbf", "iat"].map(|key| (key, claims.get(key)));
        if let Some((key, _)) = times.iter().find(|(_, time)| time.is_some_and(|time| !time.is_number())) {
            return Err(bad(&format!("{key} is not a number")));
        }
        if !claims.contains_key("exp") {
            return Err(TokenError::NoExpiry);
        }
        Ok(Self { algorithm, key_id, signed, signature, claims })
    }

    /// The `kid`.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The `iss`, unverified; empty if there is none.
    pub fn unverified_issuer(&self) -> &str {
        self.claims.get("iss").and_then(Value::as_str).unwrap_or_default()
    }

    /// Verifies signature, issuer, audience and times, and yields the claims.
    ///
    /// # Errors
    /// [`TokenError`] of the first thing that fails.
    pub fn verify(
        self,
        key: &PublicKey,
        issuer: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<Map<String, Value>, TokenError> {
        let signature = match key.kind() {
            PublicKeyKind::Rsa { .. } => Some(self.signature.clone()),
            kind => coordinate_width(kind).and_then(|width| der_from_fixed(&self.signature, width)),
        };
        let signature = signature.ok_or(TokenError::BadSignature)?;
        if !fits(self.algorithm, key.kind()) {
            return Err(TokenError::BadSignature);
        }
        key.verify(self.algorithm, self.signed.as_bytes(), &signature).map_err(|_| TokenError::BadSignature)?;
        let found = self.unverified_issuer();
        if found != issuer {
            return Err(TokenError::WrongIssuer { expected: issuer.to_owned(), found: found.to_owned() });
        }
        super::check_audience(&self.claims, audience)?;
        check_times(&self.claims, now)?;
        Ok(self.claims)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;
    use crate::jws::sign;
    use crate::keys::{KeyType, LocalSigner, PrivateKey, Signer};

    const ISSUER: &str = "https://idp.example";

    fn claims() -> Value {
        json!({ "iss": ISSUER, "aud": ["steeple"], "sub": "mia", "exp": 1000, "iat": 900, "groups": ["ops"] })
    }

    fn with(key: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[key] = value;
        claims
    }

    fn verified(token: &str, key: &PublicKey, second: i64) -> Result<Map<String, Value>, TokenError> {
        IdToken::parse(token)?.verify(key, ISSUER, "steeple", Timestamp::from_second(second).unwrap())
    }

    #[tokio::test]
    async fn only_what_the_issuer_said_to_this_audience_now_is_accepted() {
        let signer = LocalSigner(PrivateKey::generate(KeyType::EcP256).unwrap());
        let other = LocalSigner(PrivateKey::generate(KeyType::EcP256).unwrap());
        let key = signer.public_key();
        let token = sign(&signer, "k", &claims()).await.unwrap();
        assert_eq!(verified(&token, key, 950).unwrap().get("sub"), Some(&json!("mia")));
        assert_eq!(verified(&token, key, 1061).err(), Some(TokenError::Expired));
        assert_eq!(verified(&token, key, 839).err(), Some(TokenError::FromTheFuture));
        assert_eq!(verified(&token, other.public_key(), 950).err(), Some(TokenError::BadSignature));
        for (claims, reason) in [
            (with("iss", json!("https://idp.example/")), "issuer \"https://idp.example/\" is not"),
            (with("iss", json!(null)), "issuer \"\" is not"),
            (with("aud", json!("others")), "expected audience"),
            (with("aud", json!(["steeple", 1])), "aud is neither a text nor texts"),
            (with("aud", json!([])), "expected audience"),
            (with("nbf", json!(1011)), "not valid yet"),
            (with("nbf", json!("0")), "nbf is not a number"),
            (with("exp", json!("9999")), "exp is not a number"),
            (with("sub", json!("")), "missing subject"),
            (with("sub", json!("m".repeat(256))), "longer than 255 bytes"),
        ] {
            let token = sign(&signer, "k", &claims).await.unwrap();
            let error = verified(&token, key, 950).unwrap_err().to_string();
            assert!(error.contains(reason), "{reason}: {error}");
        }
    }

    #[test]
    fn headers_that_choose_their_own_verification_are_refused() {
        let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let claims = encode(&claims().to_string());
        for (header, reason) in [
            (r#"{"alg":"none","kid":"k"}"#, "algorithm \"none\" is refused"),
            (r#"{"alg":"HS256","kid":"k"}"#, "algorithm \"HS256\" is refused"),
            (r#"{"alg":"ES256","alg":"none","kid":"k"}"#, "header is not a JSON object"),
            (r#"{"alg":"ES256","kid":"k","crit":["b64"]}"#, "crit header"),
            (r#"{"alg":"ES256","kid":"k","typ":"dpop+jwt"}"#, "typ header"),
            (r#"{"alg":"ES256"}"#, "missing key id"),
        ] {
            let error = IdToken::parse(&format!("{}.{claims}.AA", encode(header))).unwrap_err().to_string();
            assert!(error.contains(reason), "{reason}: {error}");
        }
        let long = "A".repeat(MAX_LENGTH + 1);
        assert!(IdToken::parse(&long).unwrap_err().to_string().contains("longer than 16 KiB"));
    }
}
