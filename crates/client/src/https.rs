//! HTTPS: whom a client believes, and one request on a connection.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::os_text;
use crate::proxy::Proxy;

/// Whom a client over HTTPS believes.
#[derive(Clone)]
pub struct HttpsTrust {
    config: Arc<ClientConfig>,
    refused: Arc<Mutex<Option<Vec<u8>>>>,
}

impl HttpsTrust {
    /// Believes whoever `config` believes.
    pub fn of(mut config: ClientConfig) -> Self {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { config: Arc::new(config), refused: Arc::default() }
    }

    /// Believes the authorities of the system; `SSL_CERT_FILE` and `SSL_CERT_DIR` count. Reads files.
    ///
    /// # Errors
    /// A text, when the system has no authorities.
    pub fn web_pki() -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
        let inner = inner.map_err(|error| format!("authorities of the system: {error}"))?;
        let refused = Arc::<Mutex<_>>::default();
        let verifier = Arc::new(Remembering { inner, refused: Arc::clone(&refused) });
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), refused })
    }

    /// The certificate (DER) of the last server that Web PKI did not vouch for.
    pub fn refused(&self) -> Option<Vec<u8>> {
        self.refused.lock().clone()
    }

    /// A connection to the server of an `https` URL, by the proxy that the environment names.
    pub(crate) async fn connect(&self, uri: &Uri) -> Result<TlsStream<TcpStream>, String> {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = port(uri, 443).map_err(|reason| format!("dial tcp: {reason}"))?;
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        let dial = |error: std::io::Error| format!("dial tcp {host}:{port}: connect: {}", os_text(&error));
        let socket = match Proxy::to(host, port, &|name| std::env::var(name).ok())? {
            Some(proxy) => proxy.tunnel(host, port).await?,
            None => TcpStream::connect((host, port)).await.map_err(dial)?,
        };
        let connector = TlsConnector::from(Arc::clone(&self.config));
        connector.connect(name, socket).await.map_err(|error| format!("tls: {error}"))
    }
}

impl fmt::Debug for HttpsTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpsTrust")
    }
}

/// The port of a URL, or `default` where it tells none.
///
/// # Errors
/// The text of Go's dialer for what is no port; a URL may tell any number.
pub(crate) fn port(uri: &Uri, default: u16) -> Result<u16, String> {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let address = host.rsplit_once(']').map_or(host, |(_, port)| port);
    match address.rsplit_once(':') {
        None | Some((_, "")) => Ok(default),
        Some((_, told)) => told.parse().map_err(|_| format!("address {told}: invalid port")),
    }
}

/// Sends a request on a connection, and has `read` make something of the answer. The URL tells the host and the path.
pub(crate) async fn exchange<S, T, R>(
    stream: S,
    mut request: Request<Bytes>,
    read: impl FnOnce(Response<Incoming>) -> R,
) -> Result<T, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    R: Future<Output = Result<T, String>>,
{
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
    let host = request.uri().authority().map_or("localhost", |authority| authority.as_str());
    let host = HeaderValue::from_str(host).map_err(|error| error.to_string())?;
    request.headers_mut().insert(header::HOST, host);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    *request.uri_mut() = path.parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
    let answer = async {
        let response = sender.send_request(request.map(Full::new)).await.map_err(|error| error.to_string())?;
        read(response).await
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

/// Web PKI that remembers whom it did not vouch for.
#[derive(Debug)]
struct Remembering {
    inner: Arc<WebPkiServerVerifier>,
    refused: Arc<Mutex<Option<Vec<u8>>>>,
}

impl ServerCertVerifier for Remembering {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        if verified.is_err() {
            *self.refused.lock() = Some(end_entity.to_vec());
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_port_is_never_replaced() {
        for (url, told) in [
            ("https://a.test/x:7", Ok(443)),
            ("https://a.test:/", Ok(443)),
            ("https://a.test:8443/", Ok(8443)),
            ("https://u:1@a.test", Ok(443)),
            ("https://[::1]", Ok(443)),
            ("https://[::1]:65535/", Ok(65535)),
            ("https://a.test:65536/", Err("address 65536: invalid port")),
            ("https://u:1@a.test:99999", Err("address 99999: invalid port")),
            ("https://[::1]:99999", Err("address 99999: invalid port")),
        ] {
            let found = port(&url.parse().unwrap(), 443);
            assert_eq!(found.as_ref().copied().map_err(String::as_str), told, "{url}");
        }
    }

    #[tokio::test]
    async fn server_without_a_port_is_not_dialled() {
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let refused = HttpsTrust::of(config).connect(&"https://127.0.0.1:99999/".parse().unwrap()).await.err();
        assert_eq!(refused.as_deref(), Some("dial tcp: address 99999: invalid port"));
    }
}
