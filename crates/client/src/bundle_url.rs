//! Fetching a document by its URL: over HTTPS, verified by Web PKI, or over a Unix socket of this machine.

use std::path::Path;
use std::sync::Arc;

use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::os_text;

/// As often Go's client lets itself be sent elsewhere.
const REDIRECTIONS: usize = 10;

/// Why a document could not be fetched.
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

/// Fetches `url`, at most `limit` bytes, with the authorities of the system (`SSL_CERT_FILE` and `SSL_CERT_DIR` count).
/// Redirections are followed to other HTTPS URLs. The caller bounds the time.
///
/// # Errors
/// [`FetchError`].
pub async fn https_get(url: &str, limit: usize) -> Result<Vec<u8>, FetchError> {
    let mut uri = parse(url)?;
    let failed = |reason: String| FetchError::Failed { url: url.to_owned(), reason };
    for _ in 0..=REDIRECTIONS {
        if uri.scheme_str() != Some("https") {
            return Err(FetchError::NotHttps);
        }
        let stream = connect(&uri).await.map_err(failed)?;
        match get(stream, &uri, limit).await.map_err(failed)? {
            Answer::Document(document) => return Ok(document),
            Answer::Elsewhere(_, target) => uri = elsewhere(&uri, &target).map_err(failed)?,
            Answer::Refused(status) => return Err(FetchError::Status(status)),
        }
    }
    Err(failed(format!("stopped after {REDIRECTIONS} redirects")))
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
        Answer::Elsewhere(status, _) | Answer::Refused(status) => Err(FetchError::Status(status)),
    }
}

fn parse(url: &str) -> Result<Uri, FetchError> {
    url.parse().map_err(|error: http::uri::InvalidUri| FetchError::Url(error.to_string()))
}

/// What a server says to a GET.
enum Answer {
    Document(Vec<u8>),
    Elsewhere(StatusCode, String),
    Refused(StatusCode),
}

/// Asks for `uri` on a connection.
async fn get<S>(stream: S, uri: &Uri, limit: usize) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map_or("localhost", |authority| authority.as_str());
    let request = Request::get(path).header(http::header::HOST, host).body(Empty::<Bytes>::new());
    let request = request.map_err(|error| error.to_string())?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        read(response, limit).await
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

async fn read(response: Response<Incoming>, limit: usize) -> Result<Answer, String> {
    let status = response.status();
    let target = response.headers().get(http::header::LOCATION).and_then(|target| target.to_str().ok());
    match (status, target) {
        (StatusCode::OK, _) => {}
        (_, Some(target)) if status.is_redirection() => return Ok(Answer::Elsewhere(status, target.to_owned())),
        _ => return Ok(Answer::Refused(status)),
    }
    let body = Limited::new(response.into_body(), limit).collect().await;
    Ok(Answer::Document(body.map_err(|error| error.to_string())?.to_bytes().to_vec()))
}

/// Where `target`, a URL or a path on the same host, leads from `from`.
fn elsewhere(from: &Uri, target: &str) -> Result<Uri, String> {
    let uri = match (target.strip_prefix('/'), from.authority()) {
        (Some(_), Some(host)) if !target.starts_with("//") => format!("https://{host}{target}").parse(),
        _ => target.parse(),
    };
    uri.map_err(|error: http::uri::InvalidUri| format!("failed to parse Location header {target:?}: {error}"))
}

async fn connect(uri: &Uri) -> Result<tokio_rustls::client::TlsStream<TcpStream>, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (host, port) = (uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(443));
    let host = host.trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let dial = |error: std::io::Error| format!("dial tcp {host}:{port}: connect: {}", os_text(&error));
    let socket = TcpStream::connect((host, port)).await.map_err(dial)?;
    TlsConnector::from(Arc::new(config)).connect(name, socket).await.map_err(|error| format!("tls: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirection_leads_to_a_url_or_to_a_path_of_the_same_host() {
        let from: Uri = "https://b:1/c".parse().unwrap();
        assert_eq!(elsewhere(&from, "/d?e=f").unwrap().to_string(), "https://b:1/d?e=f");
        assert_eq!(elsewhere(&from, "https://g/h").unwrap().to_string(), "https://g/h");
        assert_eq!(elsewhere(&from, "http://g/h").unwrap().scheme_str(), Some("http"));
        assert!(elsewhere(&from, "https://g h").is_err());
    }
}
