use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// A request as C core sends it to `/tmp/api.sock`: POST, http, `/a`, the path as authority, `te: trailers`.
const REQUEST: &[u8] = b"\x83\x86\x44\x02/a\x41\x0etmp%2Fapi.sock\x40\x02te\x08trailers";
/// The same again, from the table.
const AGAIN: &[u8] = b"\x83\x86\xc0\xbf\xbe";

fn headers(stream: u8, block: &[u8]) -> Vec<u8> {
    let mut frame = vec![0, 0, u8::try_from(block.len()).unwrap(), 1, 5, 0, 0, 0, stream];
    frame.extend_from_slice(block);
    frame
}

fn calls() -> Vec<u8> {
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    [frames::PREFACE.to_vec(), settings.to_vec(), headers(1, REQUEST), headers(3, AGAIN), headers(5, AGAIN)].concat()
}

/// What is read in pieces.
struct Pieces(VecDeque<Vec<u8>>);

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(mut piece) = self.0.pop_front() {
            let rest = piece.split_off(piece.len().min(buf.remaining()));
            buf.put_slice(&piece);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

async fn read_all(bytes: &[u8], piece: usize, room: usize) -> io::Result<Vec<u8>> {
    let pieces = Pieces(bytes.chunks(piece).map(<[u8]>::to_vec).collect());
    let mut filter = AuthorityFilter::new(pieces);
    let mut out = Vec::new();
    loop {
        let mut buf = vec![0; room];
        let read = filter.read(&mut buf).await?;
        if read == 0 {
            return Ok(out);
        }
        out.extend_from_slice(&buf[..read]);
    }
}

#[tokio::test]
async fn reads_of_any_size_give_the_same_bytes() {
    let whole = read_all(&calls(), usize::MAX, 4096).await.unwrap();
    let text = String::from_utf8_lossy(&whole);
    assert!(text.contains("localhost-----") && !text.contains("%2F"));
    assert_eq!(whole.len(), calls().len());
    for piece in [1, 2, 9, 30] {
        for room in [1, 3, 9, 100] {
            assert_eq!(read_all(&calls(), piece, room).await.unwrap(), whole, "{piece} {room}");
        }
    }
}

#[tokio::test]
async fn refused_bytes_are_an_error_that_says_why() {
    let error = read_all(b"GET / HTTP/1.1\r\n\r\n", 3, 100).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert_eq!(error.to_string(), "not HTTP/2: the connection does not begin with its preface");
}

/// A server of the library under us that answers with the authority of the request, and its headers `x-*`.
async fn serve(stream: tokio::io::DuplexStream) -> hyper::Result<()> {
    let answer = service_fn(|request: Request<Incoming>| async move {
        let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let mut response = Response::new(Full::new(Bytes::from(authority)));
        for (name, value) in request.headers().iter().filter(|(name, _)| name.as_str().starts_with("x-")) {
            response.headers_mut().append(name, value.clone());
        }
        Ok::<_, Infallible>(response)
    });
    let io = TokioIo::new(AuthorityFilter::new(stream));
    hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .max_header_list_size(64 << 10)
        .serve_connection(io, answer)
        .await
}

#[tokio::test]
async fn server_answers_calls_with_the_path_of_the_socket_as_authority() {
    let (mut client, server) = tokio::io::duplex(64 << 10);
    let exchange = async {
        client.write_all(&calls()).await.unwrap();
        let mut answer = Vec::new();
        // Three bodies, which come plain.
        while String::from_utf8_lossy(&answer).matches("localhost-----").count() < 3 {
            assert_ne!(client.read_buf(&mut answer).await.unwrap(), 0, "{}", String::from_utf8_lossy(&answer));
        }
        drop(client);
    };
    let (_ended, ()) = tokio::join!(serve(server), exchange);
}

fn metadata() -> impl Strategy<Value = Vec<(String, String)>> {
    let value = prop_oneof!["[ -~]{0,40}".prop_map(|value| value.trim().to_owned()), "[a-c]{3000,9000}"];
    proptest::collection::vec(("x-[a-d]{1,2}", value), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The library's own client, whose tables fill and turn over, is understood through the filter.
    #[test]
    fn calls_with_any_headers_arrive_as_sent(calls in proptest::collection::vec(metadata(), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (client, server) = tokio::io::duplex(1 << 10);
            let (mut sender, connection) =
                hyper::client::conn::http2::Builder::new(TokioExecutor::new()).max_header_list_size(64 << 10).handshake(TokioIo::new(client)).await.unwrap();
            let exchange = async {
                for (at, call) in calls.iter().enumerate() {
                    let mut request = Request::post(format!("http://host{}/{at}", at % 3));
                    for (name, value) in call {
                        request = request.header(name, value);
                    }
                    let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
                    let sent: BTreeSet<_> = call.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
                    let own = response.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
                    let got: BTreeSet<_> = own.filter(|(name, _)| name.starts_with("x-")).collect();
                    prop_assert!(got == sent);
                    let body = response.into_body().collect().await.unwrap().to_bytes();
                    prop_assert_eq!(body, format!("host{}", at % 3));
                }
                drop(sender);
                Ok(())
            };
            let (served, _, exchanged) = tokio::join!(serve(server), connection, exchange);
            served.unwrap();
            exchanged
        })?;
    }

    /// Whatever comes is passed or refused, however it is cut.
    #[test]
    fn any_bytes_are_passed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), piece in 1_usize..40) {
        let mut connection = frames::PREFACE.to_vec();
        connection.extend_from_slice(&bytes);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let whole = read_all(&connection, usize::MAX, 512).await.map_err(|error| error.to_string());
            let cut = read_all(&connection, piece, 512).await.map_err(|error| error.to_string());
            assert_eq!(whole, cut);
        });
    }
}
