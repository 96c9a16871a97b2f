//! Either end of a TLS connection, with certificates of a test.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustls::pki_types::ServerName;
use rustls::{ServerConfig, ServerConnection, Stream};
use steeple_crypto::tls::{KeyExchange, ServerVerification, TlsSource, certified_key, client_config};

use crate::authority::Leaf;

/// Longest that a party waits for the other; what works takes a fraction of it.
const PATIENCE: Duration = Duration::from_mins(1);

/// What an HTTP/2 client says first: the preface and its settings, which are none.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A client of the server's API that shows `leaf`, or nothing.
struct Client(Option<Arc<rustls::sign::CertifiedKey>>);

impl TlsSource for Client {
    fn identity(&self) -> Option<Arc<rustls::sign::CertifiedKey>> {
        self.0.clone()
    }

    fn authorities(&self, _trust_domain: &steeple_types::TrustDomain) -> Vec<Vec<u8>> {
        Vec::new()
    }

    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

/// How to be a client.
pub struct Dialling<'a> {
    /// What to show.
    pub leaf: Option<&'a Leaf>,
    /// Protocols to offer.
    pub alpn: &'a [&'a [u8]],
    /// What to say first.
    pub words: &'a [u8],
}

impl<'a> Dialling<'a> {
    /// As a gRPC client does it.
    pub fn grpc(leaf: Option<&'a Leaf>) -> Self {
        Self { leaf, alpn: &[b"h2"], words: PREFACE }
    }

    /// Dials the port of a server of this machine, without verifying it; yields what it says first.
    ///
    /// # Errors
    /// When it refuses: by an alert, or by closing the connection without a word.
    pub fn first_words(&self, port: &str) -> Result<Vec<u8>> {
        let shown = self.leaf.map(|leaf| Ok::<_, anyhow::Error>((leaf, leaf.key.to_pkcs8()?))).transpose()?;
        let shown =
            shown.map(|(leaf, key)| certified_key(std::slice::from_ref(&leaf.certificate), &key)).transpose()?;
        let anyone = ServerVerification::Insecure(Arc::new(|_| {}));
        let mut config = client_config(Arc::new(Client(shown)), anyone, KeyExchange::Any)?;
        config.alpn_protocols = self.alpn.iter().map(|protocol| protocol.to_vec()).collect();
        let mut connection = rustls::ClientConnection::new(Arc::new(config), ServerName::try_from("spire-server")?)?;
        let mut socket = TcpStream::connect(format!("127.0.0.1:{port}"))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut stream = Stream::new(&mut connection, &mut socket);
        stream.write_all(self.words)?;
        let mut said = vec![0; 64];
        let length = stream.read(&mut said)?;
        said.truncate(length);
        if said.is_empty() {
            return Err(std::io::Error::from(ErrorKind::UnexpectedEof).into());
        }
        Ok(said)
    }
}

/// Says `words` in the clear to a server of this machine; yields all that it answers until it closes the connection.
///
/// # Errors
/// When it does not close it.
pub fn in_the_clear(port: &str, words: &[u8]) -> Result<Vec<u8>> {
    let mut socket = TcpStream::connect(format!("127.0.0.1:{port}"))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.write_all(words)?;
    let mut said = Vec::new();
    match socket.read_to_end(&mut said) {
        // A connection that is reset is closed too.
        Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(error).context("not closed"),
        _ => Ok(said),
    }
}

/// Serves HTTPS on a free port of this machine as long as the program runs: `answer` yields a whole answer to the first line of
/// a request. Yields the port.
///
/// # Errors
/// When there is no port, or `leaf` is of no use.
pub fn serve_https(leaf: &Leaf, answer: impl Fn(&str) -> String + Send + 'static) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port().to_string();
    let key = rustls::pki_types::PrivateKeyDer::try_from(leaf.key.to_pkcs8()?.to_vec()).map_err(anyhow::Error::msg)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.certificate.clone().into()], key)?;
    let config = Arc::new(config);
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            // A client that does not believe breaks off.
            let _broken_off = serve_one(socket, &config, &answer);
        }
    });
    Ok(port)
}

fn serve_one(mut socket: TcpStream, config: &Arc<ServerConfig>, answer: &dyn Fn(&str) -> String) -> Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut connection = ServerConnection::new(Arc::clone(config))?;
    let mut stream = Stream::new(&mut connection, &mut socket);
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        request.extend(byte);
    }
    let line = String::from_utf8_lossy(&request).lines().next().unwrap_or_default().to_owned();
    stream.write_all(answer(&line).as_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()?;
    Ok(())
}
