//! Fetching a document over HTTPS, verified by Web PKI.

use std::sync::Arc;

use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Why a document could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The URL is of no use.
    #[error("unable to parse trust bundle URL: {0}")]
    Url(String),
    /// The URL does not begin with `https://`.
    #[error("trust bundle URL must start with https://")]
    NotHttps,
    /// The server could not be reached, was not believed, or broke off.
    #[error("unable to fetch trust bundle URL {url}: {reason}")]
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

/// Fetches `url`, at most `limit` bytes, with the authorities of the system (`SSL_CERT_FILE` and `SSL_CERT_DIR` count).
/// Redirections are not followed. The caller bounds the time.
///
/// # Errors
/// [`FetchError`].
pub async fn https_get(url: &str, limit: usize) -> Result<Vec<u8>, FetchError> {
    let uri: Uri = url.parse().map_err(|error: http::uri::InvalidUri| FetchError::Url(error.to_string()))?;
    if uri.scheme_str() != Some("https") {
        return Err(FetchError::NotHttps);
    }
    let host = uri.host().ok_or_else(|| FetchError::Url("it names no host".to_owned()))?;
    let failed = |reason: String| FetchError::Failed { url: url.to_owned(), reason };
    let stream = connect(host, uri.port_u16().unwrap_or(443)).await.map_err(|error| failed(error.to_string()))?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| failed(error.to_string()))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map_or(host, |authority| authority.as_str());
    let request = Request::get(path).header(http::header::HOST, authority).body(Empty::<Bytes>::new());
    let request = request.map_err(|error| failed(error.to_string()))?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(|error| failed(error.to_string()))?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let body = Limited::new(response.into_body(), limit).collect().await;
        Ok(body.map_err(|error| failed(error.to_string()))?.to_bytes().to_vec())
    };
    tokio::pin!(connection);
    tokio::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // The answer may be complete although the connection has ended.
        _ = &mut connection => answer.await,
    }
}

async fn connect(host: &str, port: u16) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(std::io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let host = host.trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
    let socket = TcpStream::connect((host, port)).await?;
    TlsConnector::from(Arc::new(config)).connect(name, socket).await
}
