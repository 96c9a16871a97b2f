//! TLS under a connection to PostgreSQL.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect};
use tokio_rustls::TlsConnector;

use super::target::{Target, TlsFiles};
use crate::tls::{Check, Material, client};

/// TLS as a target asks for it; without configuration no connection can be secured.
#[derive(Clone)]
pub(super) struct Tls(Option<Arc<ClientConfig>>);

impl Tls {
    /// Reads the files that `target` names, which may have changed since the last connection.
    ///
    /// # Errors
    /// Which file is of no use.
    pub(super) fn new(target: &Target) -> Result<Self, String> {
        let Some(check) = target.check else { return Ok(Self(None)) };
        let files = &target.tls;
        // Where nothing is checked, a file of authorities may be absent, as with SPIRE's driver.
        let named = files.authorities.as_deref().filter(|_| check != Check::Nothing);
        let authorities = read(files, named)?;
        let certificate = read(files, files.certificate.as_deref())?;
        let key = read(files, files.key.as_deref())?;
        let material =
            Material { authorities: authorities.as_deref(), identity: certificate.as_deref().zip(key.as_deref()) };
        let mut config = client(check, material)?;
        config.enable_sni = files.with_server_name;
        Ok(Self(Some(Arc::new(config))))
    }
}

fn read(files: &TlsFiles, place: Option<&str>) -> Result<Option<Vec<u8>>, String> {
    match place {
        None => Ok(None),
        Some(pem) if files.inline => Ok(Some(pem.as_bytes().to_vec())),
        Some(path) => std::fs::read(path).map(Some).map_err(|error| format!("{path}: {error}")),
    }
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Stream;
    type TlsConnect = Handshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, domain: &str) -> io::Result<Handshake> {
        Ok(Handshake { config: self.0.clone(), name: domain.to_owned() })
    }
}

/// A handshake to come.
pub(super) struct Handshake {
    config: Option<Arc<ClientConfig>>,
    name: String,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let config = self.config.ok_or(io::ErrorKind::Unsupported)?;
            let name = ServerName::try_from(self.name).map_err(io::Error::other)?;
            TlsConnector::from(config).connect(name, socket).await.map(Stream)
        })
    }
}

/// A secured connection.
pub(super) struct Stream(tokio_rustls::client::TlsStream<Socket>);

impl tokio_postgres::tls::TlsStream for Stream {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
