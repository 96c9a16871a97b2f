//! Issuing JWT-SVIDs (JWT-SVID, section 3).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use steeple_crypto::jws;
use steeple_crypto::keys::Signer;
use steeple_types::SpiffeId;

use crate::IssueError;

/// A JWT authority that signs.
pub struct JwtIssuer {
    signer: Arc<dyn Signer>,
    key_id: String,
    not_after: Timestamp,
    issuer: Option<String>,
}

/// What a token is asked to say.
pub struct JwtRequest {
    /// For whom.
    pub id: SpiffeId,
    /// Whom it may be shown to; empty texts are dropped.
    pub audience: Vec<String>,
    /// How long it should hold; cut to the authority's own end.
    pub ttl: Duration,
    /// Whether it carries a `jti`.
    pub include_jti: bool,
}

/// A token that waits to be signed; signing uses it up.
pub struct PreparedJwt {
    issuer: Arc<JwtIssuer>,
    claims: Value,
    id: SpiffeId,
    issued_at: Timestamp,
    expires_at: Timestamp,
}

/// A signed token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtSvid {
    /// For whom.
    pub id: SpiffeId,
    /// The token in compact form.
    pub token: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl JwtIssuer {
    /// An authority with its `kid`, its end, and the `iss` of its tokens.
    pub fn new(signer: Arc<dyn Signer>, key_id: String, not_after: Timestamp, issuer: Option<String>) -> Self {
        Self { signer, key_id, not_after, issuer }
    }

    /// The `kid`.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Builds the claims of a token without signing it.
    ///
    /// # Errors
    /// [`IssueError::NoAudience`], or [`IssueError::Expired`] when the authority's own time is over.
    pub fn prepare(self: &Arc<Self>, request: JwtRequest, now: Timestamp) -> Result<PreparedJwt, IssueError> {
        let audience: Vec<String> = request.audience.into_iter().filter(|audience| !audience.is_empty()).collect();
        if audience.is_empty() {
            return Err(IssueError::NoAudience);
        }
        let expires_at = (now + request.ttl).min(self.not_after);
        if expires_at <= now {
            return Err(IssueError::Expired);
        }
        // Alphabetical, as other implementations print claims.
        let mut claims = Map::new();
        claims.insert("aud".into(), json!(audience));
        claims.insert("exp".into(), json!(expires_at.as_second()));
        claims.insert("iat".into(), json!(now.as_second()));
        if let Some(issuer) = &self.issuer {
            claims.insert("iss".into(), json!(issuer));
        }
        if request.include_jti {
            let jti = BASE64_URL_SAFE_NO_PAD.encode(uuid::Uuid::new_v4().as_bytes());
            claims.insert("jti".into(), json!(jti));
        }
        claims.insert("sub".into(), json!(request.id.as_str()));
        Ok(PreparedJwt {
            issuer: Arc::clone(self),
            claims: Value::Object(claims),
            id: request.id,
            issued_at: now,
            expires_at,
        })
    }
}

impl PreparedJwt {
    /// The `jti`, if the token has one.
    pub fn jti(&self) -> Option<&str> {
        self.claims.get("jti").and_then(Value::as_str)
    }

    /// When the token will end.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Signs the token.
    ///
    /// # Errors
    /// [`IssueError::Sign`] when the key can't sign.
    pub async fn sign(self) -> Result<JwtSvid, IssueError> {
        let token = jws::sign(&*self.issuer.signer, &self.issuer.key_id, &self.claims).await?;
        Ok(JwtSvid { id: self.id, token, issued_at: self.issued_at, expires_at: self.expires_at })
    }
}
