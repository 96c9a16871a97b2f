//! Fetching an agent's trust bundle by its URL: over HTTPS, verified by Web PKI, or over a Unix socket of this machine.

use std::path::Path;

use http::StatusCode;
use tokio::net::UnixStream;

use crate::https::HttpsTrust;
use crate::https_get::{Answer, GetError, get, get_over_https, parse};
use crate::os_text;

/// Why a trust bundle could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The URL is of no use.
    #[error("unable to parse trust bundle URL: {0}")]
    Url(String),
    /// The URL, or one that its server sends to, does not begin with `https://`.
    #[error("trust bundle URL must start with https://")]
    NotHttps,
    /// The server could not be reached, was not believed, or broke off.
    #[error("unable to fetch trust bundle URL {url}: Get \"{url}\": {reason}")]
    Failed {
        /// The URL.
        url: String,
        /// Why.
        reason: String,
    },
    /// The server has answered something else than the document.
    #[error("error downloading trust bundle: {0}")]
    Status(StatusCode),
}

impl From<GetError> for FetchError {
    fn from(error: GetError) -> Self {
        match error {
            GetError::Url(reason) => Self::Url(reason),
            GetError::NotHttps(_) => Self::NotHttps,
            GetError::Failed { url, reason } => Self::Failed { url, reason },
            GetError::Status { status, .. } => Self::Status(status),
        }
    }
}

/// Fetches `url`, at most `limit` bytes, with the authorities of the system (`SSL_CERT_FILE` and `SSL_CERT_DIR` count).
/// Redirections are followed to other HTTPS URLs. The caller bounds the time.
///
/// # Errors
/// [`FetchError`].
pub async fn https_get(url: &str, limit: usize) -> Result<Vec<u8>, FetchError> {
    let trust = HttpsTrust::web_pki().map_err(|reason| FetchError::Failed { url: url.to_owned(), reason })?;
    Ok(get_over_https(url, &trust, limit).await?)
}

/// Fetches the `http://` URL `url`, at most `limit` bytes, on the Unix socket at `socket`. The caller bounds the time.
///
/// # Errors
/// [`FetchError`].
pub async fn unix_get(socket: &Path, url: &str, limit: usize) -> Result<Vec<u8>, FetchError> {
    let uri = parse(url)?;
    let failed = |reason: String| FetchError::Failed { url: url.to_owned(), reason };
    let dial = |error: std::io::Error| failed(format!("dial unix {}: connect: {}", socket.display(), os_text(&error)));
    let stream = UnixStream::connect(socket).await.map_err(dial)?;
    match get(stream, &uri, limit).await.map_err(failed)? {
        Answer::Document(document) => Ok(document),
        Answer::Elsewhere(status, _) | Answer::Refused(status, _) => Err(FetchError::Status(status)),
    }
}
