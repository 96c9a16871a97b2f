//! The age of connections, on a manual clock and a real socket.

use http::Response;
use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

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
    let serving = serve_uds(listener, Nothing, limits, clock, Shutdown::new());
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
