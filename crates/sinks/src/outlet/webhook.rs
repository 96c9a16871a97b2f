//! Lines posted to a URL.

use std::path::PathBuf;

use async_trait::async_trait;
use http::header::HeaderName;
use steeple_crypto::digest::hmac_sha256;

use super::post::Poster;
use super::{Message, Outlet, Undelivered, lines};
use crate::format::Format;
use crate::settings::UrlSettings;
use crate::tls;

/// HMAC-SHA256 of the body in hexadecimal digits, by the secret.
const SIGNATURE: HeaderName = HeaderName::from_static("steeple-signature-256");

pub(super) struct Webhook {
    poster: Poster,
    secret_path: Option<PathBuf>,
    format: Format,
}

impl Webhook {
    pub(super) fn new(url: UrlSettings, secret_path: Option<PathBuf>, format: Format) -> Self {
        Self { poster: Poster::new(url), secret_path, format }
    }
}

#[async_trait]
impl Outlet for Webhook {
    async fn deliver(&mut self, messages: &[Message]) -> Result<u64, Undelivered> {
        let body = lines(messages);
        let mut headers = Vec::new();
        if let Some(path) = &self.secret_path {
            let secret = tls::secret(path)?;
            headers.push((SIGNATURE, hex::encode(hmac_sha256(secret.as_bytes(), &body))));
        }
        self.poster.post(self.format.media_type(), &headers, body).await.map(|_| 0)
    }
}
