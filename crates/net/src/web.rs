//! Small HTTP/1 listeners: for health and metrics, and over TLS for what reads requests.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use steeple_clock::Clock;
use steeple_runtime::Shutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Most connections at once: more than a careless or slow party will hold open, so that it does not shut out the probes.
const CONNECTIONS: usize = 1024;
/// Longest wait for a handshake, the head of a request, or its body.
const PATIENCE: Duration = Duration::from_secs(10);

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The media type.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Answer {
    /// A status with its own text.
    pub fn plain(status: StatusCode) -> Self {
        let body = format!("{}\n", status.canonical_reason().unwrap_or_default());
        Self { status, content_type: "text/plain; charset=utf-8", body }
    }
}

/// Answers a GET of a path.
pub type Handler = dyn Fn(&str) -> Answer + Send + Sync;

/// Answers a request that was read whole.
pub type Responder = dyn Fn(&Request<Bytes>) -> Answer + Send + Sync;

/// Bounds of an HTTPS listener.
#[derive(Clone, Copy, Debug)]
pub struct WebLimits {
    /// Connections at once; further ones wait.
    pub connections: usize,
    /// Largest body of a request, in bytes.
    pub body: usize,
}

/// Serves GET and HEAD requests by `handler` until the shutdown.
///
/// # Errors
/// Never now; the listener may fail in later versions.
pub async fn serve(listener: TcpListener, handler: Arc<Handler>, shutdown: Shutdown) -> io::Result<()> {
    let connection = move |socket: TcpStream| {
        let handler = Arc::clone(&handler);
        let service = service_fn(move |request: Request<Incoming>| {
            std::future::ready(Ok::<_, Infallible>(answer(&*handler, &request)))
        });
        // A party that goes away in the middle of an answer is no concern of ours.
        async move { drop(http1().serve_connection(TokioIo::new(socket), service).await) }
    };
    accept(listener, CONNECTIONS, connection, shutdown).await
}

/// Serves requests over TLS by `responder` until the shutdown.
///
/// # Errors
/// Never now; the listener may fail in later versions.
pub async fn serve_tls(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    responder: Arc<Responder>,
    limits: WebLimits,
    clock: Clock,
    shutdown: Shutdown,
) -> io::Result<()> {
    let acceptor = TlsAcceptor::from(config);
    let connection = move |socket: TcpStream| {
        let (acceptor, responder, clock) = (acceptor.clone(), Arc::clone(&responder), clock.clone());
        async move {
            let Ok(Ok(stream)) = clock.timeout(PATIENCE, acceptor.accept(socket)).await else { return };
            let service = service_fn(move |request: Request<Incoming>| {
                let (responder, clock) = (Arc::clone(&responder), clock.clone());
                async move { Ok::<_, Infallible>(response(whole(request, &*responder, limits.body, &clock).await)) }
            });
            drop(http1().serve_connection(TokioIo::new(stream), service).await);
        }
    };
    accept(listener, limits.connections, connection, shutdown).await
}

/// Takes connections, so many at once, until the shutdown.
async fn accept<C, F>(listener: TcpListener, most: usize, connection: C, shutdown: Shutdown) -> io::Result<()>
where
    C: Fn(TcpStream) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(most));
    let mut connections = JoinSet::new();
    while let Some(Ok(place)) = shutdown.until(Arc::clone(&places).acquire_owned()).await {
        let Some(accepted) = shutdown.until(listener.accept()).await else { break };
        let Ok((socket, _)) = accepted else { continue };
        while connections.try_join_next().is_some() {}
        let served = connection(socket);
        connections.spawn(async move {
            let _place = place;
            served.await;
        });
    }
    connections.shutdown().await;
    Ok(())
}

fn http1() -> hyper::server::conn::http1::Builder {
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    builder
}

/// Reads the body of a request, as long as its bounds allow, and has it answered.
async fn whole(request: Request<Incoming>, responder: &Responder, largest: usize, clock: &Clock) -> Answer {
    let (parts, body) = request.into_parts();
    match clock.timeout(PATIENCE, Limited::new(body, largest).collect()).await {
        Ok(Ok(body)) => responder(&Request::from_parts(parts, body.to_bytes())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Answer::plain(StatusCode::PAYLOAD_TOO_LARGE),
        Ok(Err(_)) => Answer::plain(StatusCode::BAD_REQUEST),
        Err(_late) => Answer::plain(StatusCode::REQUEST_TIMEOUT),
    }
}

fn answer(handler: &Handler, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let answer = match *request.method() {
        http::Method::GET | http::Method::HEAD => handler(request.uri().path()),
        _ => Answer::plain(StatusCode::METHOD_NOT_ALLOWED),
    };
    response(answer)
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = answer.status;
    let content_type = http::HeaderValue::from_static(answer.content_type);
    response.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
    response
}
