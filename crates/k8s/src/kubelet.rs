//! A node's kubelet, asked for the pods it runs.

mod tls;

use std::path::PathBuf;
use std::time::Duration;

use http::{Request, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use crate::pod::{self, Pod};

/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// Largest list read, in bytes: some hundred pods with annotations have a few megabytes.
const MAX_LIST: usize = 64 << 20;

/// Why a kubelet gave no list of pods.
#[derive(Debug, thiserror::Error)]
pub enum KubeletError {
    /// A file of the configuration can't be used.
    #[error("unable to load {what}: {path}: {reason}")]
    File {
        /// What the file is for.
        what: &'static str,
        /// Its path.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// The kubelet can't be reached or is not believed.
    #[error("unable to perform request: Get \"{url}\": {reason}")]
    Unreachable {
        /// The URL asked for.
        url: String,
        /// Why.
        reason: String,
    },
    /// It answered something else than a list.
    #[error("unexpected status code on pods response: {status} {body}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
    /// Its list can't be read.
    #[error("unable to parse kubelet response: {0}")]
    Malformed(String),
}

/// How a kubelet is known, over its secure port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verification {
    /// Not at all (`skip_kubelet_verification`).
    Skip,
    /// Its certificate leads to an authority of a PEM file (`kubelet_ca_path`).
    Authorities(PathBuf),
}

/// Who asks a kubelet, over its secure port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody (`use_anonymous_authentication`).
    Anonymous,
    /// The bearer of the token in a file (`token_path`).
    Token(PathBuf),
    /// Who holds the key of a certificate (`certificate_path`, `private_key_path`).
    Certificate {
        /// Certificate, PEM.
        certificate: PathBuf,
        /// Private key, PEM.
        key: PathBuf,
    },
}

/// Which port of a kubelet is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Port {
    /// The read-only port, without TLS, on the loopback interface.
    ReadOnly(u16),
    /// The secure port.
    Secure {
        /// The port.
        port: u16,
        /// How the kubelet is known.
        verification: Verification,
        /// Who asks.
        credentials: Credentials,
    },
}

/// A kubelet.
#[derive(Clone, Debug)]
pub struct Kubelet {
    /// The node's name by which it is called and certified; without one it is called on the loopback interface, and the
    /// name in its certificate does not count.
    pub node_name: Option<String>,
    /// Port.
    pub port: Port,
}

impl Kubelet {
    /// The pods of the node. Token, certificate and authorities are read from their files each time.
    ///
    /// # Errors
    /// [`KubeletError`].
    pub async fn pods(&self) -> Result<Vec<Pod>, KubeletError> {
        let list = tokio::time::timeout(DEADLINE, self.ask()).await;
        list.map_err(|_| self.unreachable("no answer within 10 s"))?
    }

    async fn ask(&self) -> Result<Vec<Pod>, KubeletError> {
        let (host, port) = self.address();
        let connect = || async move {
            let socket = TcpStream::connect((host, port)).await;
            socket.map_err(|error| self.unreachable(format!("dial tcp {host}:{port}: connect: {error}")))
        };
        match &self.port {
            Port::ReadOnly(_) => self.list(connect().await?, None).await,
            Port::Secure { verification, credentials, .. } => {
                let config = tls::client_config(self.node_name.is_some(), verification, credentials)?;
                let token = token(credentials)?;
                let stream = tls::connect(config, host, connect().await?).await;
                self.list(stream.map_err(|reason| self.unreachable(reason))?, token).await
            }
        }
    }

    async fn list<S>(&self, stream: S, token: Option<Zeroizing<String>>) -> Result<Vec<Pod>, KubeletError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (host, port) = self.address();
        let mut request = Request::get("/pods").header(header::HOST, format!("{host}:{port}"));
        if let Some(token) = token {
            let mut value = header::HeaderValue::try_from(format!("Bearer {}", *token))
                .map_err(|_| self.unreachable("the token has characters that a header can't have"))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| self.unreachable(error))?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| self.unreachable(error))?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(|error| self.unreachable(error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_LIST).collect().await;
            let body = body.map_err(|error| self.unreachable(error))?.to_bytes();
            if status != http::StatusCode::OK {
                let body = String::from_utf8_lossy(&body).chars().take(200).collect();
                return Err(KubeletError::Refused { status: status.as_u16(), body });
            }
            pod::list(&body).map_err(|error| KubeletError::Malformed(error.to_string()))
        };
        tokio::pin!(connection);
        tokio::pin!(answer);
        // The connection is driven here and ends with the answer: no task outlives the call.
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            // The answer may be complete although the connection has ended.
            _ = &mut connection => answer.await,
        }
    }

    fn address(&self) -> (&str, u16) {
        match &self.port {
            Port::ReadOnly(port) => ("127.0.0.1", *port),
            Port::Secure { port, .. } => (self.node_name.as_deref().unwrap_or("127.0.0.1"), *port),
        }
    }

    fn unreachable(&self, reason: impl std::fmt::Display) -> KubeletError {
        let scheme = if matches!(self.port, Port::ReadOnly(_)) { "http" } else { "https" };
        let (host, port) = self.address();
        KubeletError::Unreachable { url: format!("{scheme}://{host}:{port}/pods"), reason: reason.to_string() }
    }
}

/// The token that a request bears, if it bears one.
fn token(credentials: &Credentials) -> Result<Option<Zeroizing<String>>, KubeletError> {
    let Credentials::Token(path) = credentials else { return Ok(None) };
    let read = Zeroizing::new(tls::read("token", path)?);
    let text = std::str::from_utf8(&read).map_err(|_| KubeletError::File {
        what: "token",
        path: path.display().to_string(),
        reason: "it is no text".to_owned(),
    })?;
    Ok(Some(Zeroizing::new(text.trim().to_owned())))
}
