//! The age of connections and what is told of refused ones, on a manual clock and real sockets.

use http::Response;
use jiff::Timestamp;
use steeple_crypto::tls::{KeyExchange, TlsSource, server_config};
use steeple_types::TrustDomain;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::*;

/// What an HTTP/2 client says first, with settings of its own.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const GOAWAY: u8 = 7;

#[derive(Clone)]
struct Nothing;

impl Service<Request<Body>> for Nothing {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<Body>) -> Self::Future {
        std::future::ready(Ok(Response::new(Body::empty())))
    }
}

/// The kind of the next frame, unless the connection has ended.
async fn frame(stream: &mut UnixStream) -> Option<u8> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let length = usize::from(head[1]) << 8 | usize::from(head[2]);
    stream.read_exact(&mut vec![0; length]).await.ok()?;
    Some(head[3])
}

#[tokio::test]
async fn connection_is_asked_to_go_when_it_is_three_minutes_old() {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
    let (clock, hand) = Clock::manual(Timestamp::UNIX_EPOCH);
    let limits = Limits { keep_alive: None, ..Limits::NETWORK };
    assert_eq!(limits.age, Some(Duration::from_mins(3)));
    let serving = serve_uds(listener, Nothing, Callers::Processes, limits, clock, Shutdown::new());
    let party = async {
        let mut stream = UnixStream::connect(folder.path().join("socket")).await.unwrap();
        stream.write_all(PREFACE).await.unwrap();
        hand.wait_for_sleepers(1).await;
        hand.advance(Duration::from_secs(179));
        // Settings and their acknowledgement; nothing tells the party to go yet.
        assert_eq!((frame(&mut stream).await, frame(&mut stream).await), (Some(4), Some(4)));
        hand.advance(Duration::from_secs(1));
        while frame(&mut stream).await.unwrap() != GOAWAY {}
    };
    let patience = Clock::system();
    tokio::select! {
        ended = serving => panic!("{ended:?}"),
        in_time = patience.timeout(Duration::from_mins(1), party) => in_time.unwrap(),
    }
}

/// What is written into the log of this thread.
#[derive(Clone, Default)]
struct Lines(Arc<std::sync::Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut *self.0.lock().unwrap(), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn of_refusals(&self) -> Vec<String> {
        let said = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        said.lines().filter(|line| line.contains("Connection was refused")).map(str::to_owned).collect()
    }
}

struct Nobody;

impl TlsSource for Nobody {
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

/// Knocks with something that is not TLS, and waits until the listener hangs up.
async fn knock(address: std::net::SocketAddr) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let _alert = stream.read_to_end(&mut Vec::new()).await;
}

#[tokio::test]
async fn failed_handshakes_are_told_once_a_minute() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
    let _log = tracing::subscriber::set_default(subscriber.with_max_level(tracing::Level::DEBUG).finish());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = Arc::new(server_config(Arc::new(Nobody), Arc::new(|_| true), KeyExchange::Any).unwrap());
    let (clock, hand) = Clock::manual(Timestamp::UNIX_EPOCH);
    let serving =
        serve_tls(listener, config, TrustedProxies::default(), Nothing, Limits::NETWORK, clock, Shutdown::new());
    let strangers = async {
        for _ in 0..20 {
            knock(address).await;
        }
        assert_eq!(lines.of_refusals().len(), 1, "{:?}", lines.of_refusals());
        hand.advance(Duration::from_mins(1));
        knock(address).await;
        let said = lines.of_refusals();
        assert!(said.len() == 2 && said[0].contains("left_out=0") && said[1].contains("left_out=19"), "{said:?}");
    };
    let patience = Clock::system();
    tokio::select! {
        ended = serving => panic!("{ended:?}"),
        in_time = patience.timeout(Duration::from_mins(1), strangers) => in_time.unwrap(),
    }
}
