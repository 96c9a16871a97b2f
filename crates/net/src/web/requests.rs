//! Answering whole requests: HTTP/1.1, and HTTP/2 where TLS agrees on it.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use async_trait::async_trait;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use steeple_clock::Clock;
use steeple_crypto::tls::Greeting;
use steeple_runtime::Shutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use crate::Limits;
use crate::accept::accept_loop;
use crate::serve::{handshake, hello, in_time};
use crate::web::Answer;

/// How long a client may take for the head of a request, and for its body.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where requests come in.
#[derive(Debug)]
pub enum Endpoint {
    /// Plain HTTP.
    Tcp(TcpListener),
    /// HTTPS.
    Tls(TcpListener, Arc<ServerConfig>),
    /// HTTPS with certificates that clients may have to wait for.
    AwaitedTls(TcpListener, Arc<ServerConfig>, Arc<dyn AwaitedCertificates>),
    /// Plain HTTP on a socket of this machine.
    Unix(UnixListener),
}

/// Certificates that come when a client asks for them.
#[async_trait]
pub trait AwaitedCertificates: fmt::Debug + Send + Sync + 'static {
    /// Waits until there is what this client can be shown, or until it is clear that there won't be; bounds the time itself.
    async fn await_certificate(&self, greeting: &Greeting);
}

/// How a request came; it stands in the extensions of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The address of the client; `@` on a Unix socket.
    pub remote: String,
    /// Whether it came over TLS.
    pub is_tls: bool,
}

/// Bounds of a listener for requests.
#[derive(Clone, Copy, Debug)]
pub struct WebLimits {
    /// Those of its connections.
    pub connections: Limits,
    /// Largest body of a request, in bytes; with 0, bodies are not read.
    pub body: usize,
}

impl WebLimits {
    /// For who answers by the heads of requests.
    pub const HEADS: Self = Self { connections: Limits::NETWORK, body: 0 };
}

/// Answers a request by its head and body.
pub type Respond = dyn Fn(&Parts, &Bytes) -> Response<Bytes> + Send + Sync;

/// Serves requests by `respond` until the shutdown, then lets answers go out within the grace.
///
/// A request of HTTP/1.1 without a host, or with several, is refused (RFC 9112, section 3.2).
pub async fn serve_requests(
    endpoint: Endpoint,
    respond: Arc<Respond>,
    limits: WebLimits,
    clock: Clock,
    shutdown: Shutdown,
) {
    let serving = Serving { respond, limits, clock: clock.clone(), shutdown: shutdown.clone() };
    let limits = limits.connections;
    match endpoint {
        Endpoint::Tcp(listener) => {
            let serve = move |socket: TcpStream, address: std::net::SocketAddr| {
                serving.clone().plain(socket, address.to_string())
            };
            accept_loop(listener, limits, clock, shutdown, serve).await;
        }
        Endpoint::Unix(listener) => {
            let serve = move |socket: UnixStream, _address| serving.clone().plain(socket, "@".to_owned());
            accept_loop(listener, limits, clock, shutdown, serve).await;
        }
        Endpoint::Tls(listener, config) => {
            let acceptor = TlsAcceptor::from(config);
            let serve = move |socket: TcpStream, address: std::net::SocketAddr| {
                serving.clone().tls(acceptor.clone(), socket, address.to_string())
            };
            accept_loop(listener, limits, clock, shutdown, serve).await;
        }
        Endpoint::AwaitedTls(listener, config, certificates) => {
            let serve = move |socket: TcpStream, address: std::net::SocketAddr| {
                let (config, certificates) = (Arc::clone(&config), Arc::clone(&certificates));
                serving.clone().awaited_tls(config, certificates, socket, address.to_string())
            };
            accept_loop(listener, limits, clock, shutdown, serve).await;
        }
    }
}

#[derive(Clone)]
struct Serving {
    respond: Arc<Respond>,
    limits: WebLimits,
    clock: Clock,
    shutdown: Shutdown,
}

impl Serving {
    async fn plain<S>(self, socket: S, remote: String) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.http1(socket, Connection { remote, is_tls: false }).await;
        Ok(())
    }

    async fn tls(self, acceptor: TlsAcceptor, socket: TcpStream, remote: String) -> io::Result<()> {
        let stream = handshake(&acceptor, socket, self.limits.connections, &self.clock).await?;
        self.secured(stream, remote).await;
        Ok(())
    }

    async fn awaited_tls(
        self,
        config: Arc<ServerConfig>,
        certificates: Arc<dyn AwaitedCertificates>,
        socket: TcpStream,
        remote: String,
    ) -> io::Result<()> {
        let limits = self.limits.connections;
        let hello = hello(socket, limits, &self.clock).await?;
        let greeting = Greeting::of(&hello.client_hello());
        if self.shutdown.until(certificates.await_certificate(&greeting)).await.is_none() {
            return Ok(());
        }
        let stream = in_time(hello.into_stream(config), limits, &self.clock).await?;
        self.secured(stream, remote).await;
        Ok(())
    }

    async fn secured(self, stream: TlsStream<TcpStream>, remote: String) {
        let connection = Connection { remote, is_tls: true };
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            self.http2(stream, connection).await;
        } else {
            self.http1(stream, connection).await;
        }
    }

    async fn http1<S>(self, stream: S, connection: Connection)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
        let service = service_fn(self.service(connection));
        let serving = builder.serve_connection(TokioIo::new(stream), service);
        self.until_ended(serving, http1::Connection::graceful_shutdown).await;
    }

    async fn http2<S>(self, stream: S, connection: Connection)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let streams = self.limits.connections.streams;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).max_concurrent_streams(streams).max_header_list_size(64 << 10);
        let service = service_fn(self.service(connection));
        let serving = builder.serve_connection(TokioIo::new(stream), service);
        self.until_ended(serving, http2::Connection::graceful_shutdown).await;
    }

    fn service(&self, connection: Connection) -> impl Fn(Request<Incoming>) -> Answering + Send + use<> {
        let Self { respond, limits, clock, .. } = self.clone();
        move |request| {
            let (respond, clock) = (Arc::clone(&respond), clock.clone());
            let (mut head, body) = request.into_parts();
            head.extensions.insert(connection.clone());
            Box::pin(async move { Ok(answer(respond, head, body, limits.body, clock).await.map(Full::new)) })
        }
    }

    /// Goes on until the connection ends, is too old, or the shutdown comes; the last two `stop` it.
    async fn until_ended<C>(&self, connection: C, stop: fn(Pin<&mut C>))
    where
        C: Future<Output = hyper::Result<()>>,
    {
        let limits = self.limits.connections;
        let mut connection = pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    debug!(%error, "Connection ended");
                }
                return;
            }
            () = limits.aged(&self.clock) => {}
            () = self.shutdown.triggered() => {}
        }
        stop(connection.as_mut());
        let _late = self.clock.timeout(limits.grace, connection).await;
    }
}

/// An answer that is being made.
type Answering = Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send>>;

/// Reads the body of a request, as long as its bounds allow, and has it answered.
async fn answer(respond: Arc<Respond>, head: Parts, body: Incoming, largest: usize, clock: Clock) -> Response<Bytes> {
    if let Some(refusal) = ill_hosted(&head) {
        return refusal;
    }
    if largest == 0 {
        return respond(&head, &Bytes::new());
    }
    let status = match clock.timeout(PATIENCE, Limited::new(body, largest).collect()).await {
        Ok(Ok(body)) => return respond(&head, &body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => StatusCode::PAYLOAD_TOO_LARGE,
        Ok(Err(_)) => StatusCode::BAD_REQUEST,
        Err(_late) => StatusCode::REQUEST_TIMEOUT,
    };
    Answer::plain(status).into()
}

/// The refusal of a request that does not say which host it is for.
fn ill_hosted(head: &Parts) -> Option<Response<Bytes>> {
    let hosts = head.headers.get_all(header::HOST).iter().count();
    let reason = match (head.version, hosts) {
        (_, 2..) => "too many Host headers",
        (Version::HTTP_11, 0) => "missing required Host header",
        _ => return None,
    };
    let mut refusal = Response::new(Bytes::from(format!("400 Bad Request: {reason}")));
    *refusal.status_mut() = StatusCode::BAD_REQUEST;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    refusal.headers_mut().insert(header::CONTENT_TYPE, plain);
    refusal.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    Some(refusal)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rustls_pki_types::{CertificateDer, ServerName};
    use steeple_crypto::pem;
    use steeple_crypto::tls::{KeyExchange, ServerVerification, TlsSource, client_config, web_server_config};
    use steeple_types::TrustDomain;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::web::CertificateFiles;

    /// What a server on a Unix socket answers to `words`, until it closes the connection.
    async fn answered(words: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let respond = |head: &Parts, _body: &Bytes| {
            let connection = head.extensions.get::<Connection>().unwrap();
            Response::new(Bytes::from(format!("{} {} {}", head.method, head.uri, connection.remote)))
        };
        let (clock, shutdown) = (Clock::system(), Shutdown::new());
        let serving =
            serve_requests(Endpoint::Unix(listener), Arc::new(respond), WebLimits::HEADS, clock.clone(), shutdown);
        let party = async {
            let mut stream = UnixStream::connect(&path).await.unwrap();
            stream.write_all(words.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        tokio::select! {
            () = serving => panic!("it does not end by itself"),
            in_time = clock.timeout(Duration::from_mins(1), party) => in_time.unwrap(),
        }
    }

    #[tokio::test]
    async fn requests_are_answered_by_their_heads() {
        let answer = answered("PUT /a?b HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nPUT /a?b @"), "{answer}");
    }

    #[tokio::test]
    async fn host_must_be_told_once() {
        let answer = answered("GET / HTTP/1.1\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.ends_with("missing required Host header"), "{answer}");
        let answer = answered("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.ends_with("too many Host headers"), "{answer}");
    }

    #[tokio::test]
    async fn plain_connection_speaks_no_http_2() {
        let answer = answered("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }

    /// A client that believes everybody and notes the certificate that it is shown.
    struct Anyone;

    impl TlsSource for Anyone {
        fn identity(&self) -> Option<Arc<rustls::sign::CertifiedKey>> {
            None
        }

        fn authorities(&self, _trust_domain: &TrustDomain) -> Vec<Vec<u8>> {
            Vec::new()
        }

        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }
    }

    /// The protocol that a server agrees on with a client that offers `protocols`, and what it says first to `words`.
    async fn agreed(protocols: &[&[u8]], words: &[u8]) -> (Option<Vec<u8>>, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let (chain, key) = crate::web::testing::pair();
        let (chain_path, key_path) = (folder.path().join("crt.pem"), folder.path().join("key.pem"));
        std::fs::write(&chain_path, &chain).unwrap();
        std::fs::write(&key_path, key).unwrap();
        let files = CertificateFiles::load(&chain_path, &key_path, Duration::from_mins(1), Clock::system()).unwrap();
        let config = Arc::new(web_server_config(files.certificates(), KeyExchange::Any).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let respond = |head: &Parts, _body: &Bytes| {
            assert!(head.extensions.get::<Connection>().unwrap().is_tls);
            Response::new(Bytes::from("said"))
        };
        let (clock, shutdown) = (Clock::system(), Shutdown::new());
        let endpoint = Endpoint::Tls(listener, config);
        let serving = serve_requests(endpoint, Arc::new(respond), WebLimits::HEADS, clock.clone(), shutdown);
        let expected = pem::certificates(&chain).unwrap();
        let seen = move |shown: &[CertificateDer<'_>]| assert_eq!(shown[0].as_ref(), expected[0]);
        let mut client =
            client_config(Arc::new(Anyone), ServerVerification::Insecure(Arc::new(seen)), KeyExchange::Any).unwrap();
        client.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let party = async {
            let socket = TcpStream::connect(address).await.unwrap();
            let name = ServerName::try_from("domain.test").unwrap();
            let mut stream = TlsConnector::from(Arc::new(client)).connect(name, socket).await.unwrap();
            stream.write_all(words).await.unwrap();
            let mut said = vec![0; 9];
            stream.read_exact(&mut said).await.unwrap();
            (stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec), said)
        };
        tokio::select! {
            () = serving => panic!("it does not end by itself"),
            in_time = clock.timeout(Duration::from_mins(1), party) => in_time.unwrap(),
        }
    }

    #[tokio::test]
    async fn tls_agrees_on_http_2_where_the_client_speaks_it() {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        let (protocol, said) = agreed(&[b"http/1.1", b"h2"], preface).await;
        assert_eq!(protocol.as_deref(), Some(&b"h2"[..]));
        assert_eq!(said[3], 4, "settings");
        let get = b"GET / HTTP/1.1\r\nHost: domain.test\r\n\r\n";
        assert_eq!(agreed(&[b"http/1.1"], get).await, (Some(b"http/1.1".to_vec()), b"HTTP/1.1 ".to_vec()));
        assert_eq!(agreed(&[], get).await, (None, b"HTTP/1.1 ".to_vec()));
    }
}
