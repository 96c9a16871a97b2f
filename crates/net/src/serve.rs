//! Serving gRPC over TLS and Unix sockets.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::server::Acceptor;
use steeple_clock::Clock;
use steeple_runtime::Shutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake, TlsAcceptor};
use tonic::body::Body;
use tower_service::Service;
use tracing::debug;

use crate::accept::accept_loop;
use crate::authority::AuthorityFilter;
use crate::{Callers, Peer, TrustedProxies};

/// What answers the calls of a listener: gRPC routes, or something around them.
pub trait Answers:
    Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

impl<S> Answers for S where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

/// Bounds of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; further ones wait.
    pub connections: usize,
    /// Calls at once on a connection.
    pub streams: u32,
    /// How long a connection lasts before its party is asked to make a new one.
    pub age: Option<Duration>,
    /// How long calls may go on after that, and after a stop.
    pub grace: Duration,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// How often a silent party is asked for a sign of life, and how long it may take to give one.
    pub keep_alive: Option<(Duration, Duration)>,
}

impl Limits {
    /// Bounds for a network: SPIRE's three minutes of age, ten seconds of grace.
    pub const NETWORK: Self = Self {
        connections: 16_384,
        streams: 1_024,
        age: Some(Duration::from_mins(3)),
        grace: Duration::from_secs(10),
        handshake: Duration::from_secs(10),
        keep_alive: Some((Duration::from_mins(1), Duration::from_secs(20))),
    };

    /// Bounds for a socket of this machine, whose parties the kernel knows.
    pub const LOCAL: Self = Self { age: None, keep_alive: None, ..Self::NETWORK };

    /// Ends when a connection that begins now has lasted long enough.
    pub(crate) async fn aged(&self, clock: &Clock) {
        match self.age {
            Some(age) => clock.sleep(age).await,
            None => std::future::pending().await,
        }
    }
}

/// Serves `routes` over TLS until the shutdown, then lets calls finish within the grace. Parties of `proxies` may tell for whom
/// they connect.
///
/// # Errors
/// When the listener fails.
pub async fn serve_tls(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    proxies: TrustedProxies,
    routes: impl Answers,
    limits: Limits,
    clock: Clock,
    shutdown: Shutdown,
) -> io::Result<()> {
    let acceptor = TlsAcceptor::from(config);
    let (clock_of_all, shutdown_of_all) = (clock.clone(), shutdown.clone());
    let serve = move |mut socket: TcpStream, address| {
        let (acceptor, proxies, routes) = (acceptor.clone(), proxies.clone(), routes.clone());
        let (clock, shutdown) = (clock_of_all.clone(), shutdown_of_all.clone());
        async move {
            let source = clock.timeout(limits.handshake, proxies.source(&mut socket, address));
            let address = source.await.map_err(|_| late("PROXY header took too long"))??;
            let stream = handshake(&acceptor, socket, limits, &clock).await?;
            let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
            let chain = chain.iter().map(|der| der.to_vec()).collect();
            serve_connection(stream, Peer::Tls { address, chain }, routes, limits, clock, shutdown).await;
            Ok(())
        }
    };
    accept_loop(listener, limits, clock, shutdown, serve).await;
    Ok(())
}

/// The server's part of a handshake, within the time that it may take.
pub(crate) async fn handshake(
    acceptor: &TlsAcceptor,
    socket: TcpStream,
    limits: Limits,
    clock: &Clock,
) -> io::Result<TlsStream<TcpStream>> {
    socket.set_nodelay(true)?;
    in_time(acceptor.accept(socket), limits, clock).await
}

/// The beginning of a handshake, what the client says first, within the time that it may take.
pub(crate) async fn hello(socket: TcpStream, limits: Limits, clock: &Clock) -> io::Result<StartHandshake<TcpStream>> {
    socket.set_nodelay(true)?;
    in_time(LazyConfigAcceptor::new(Acceptor::default(), socket), limits, clock).await
}

/// A part of a handshake within the time that it may take.
pub(crate) async fn in_time<T>(
    part: impl Future<Output = io::Result<T>>,
    limits: Limits,
    clock: &Clock,
) -> io::Result<T> {
    clock.timeout(limits.handshake, part).await.map_err(|_| late("TLS handshake took too long"))?
}

fn late(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, reason)
}

/// Serves `routes` on a Unix socket to `callers` until the shutdown, then lets calls finish within the grace.
///
/// # Errors
/// When the listener fails.
pub async fn serve_uds(
    listener: UnixListener,
    routes: impl Answers,
    callers: Callers,
    limits: Limits,
    clock: Clock,
    shutdown: Shutdown,
) -> io::Result<()> {
    let (clock_of_all, shutdown_of_all) = (clock.clone(), shutdown.clone());
    let serve = move |socket: UnixStream, _address| {
        let (routes, clock, shutdown) = (routes.clone(), clock_of_all.clone(), shutdown_of_all.clone());
        async move {
            let peer = callers.peer(&socket)?;
            serve_connection(AuthorityFilter::new(socket), peer, routes, limits, clock, shutdown).await;
            Ok(())
        }
    };
    accept_loop(listener, limits, clock, shutdown, serve).await;
    Ok(())
}

async fn serve_connection<I>(
    stream: I,
    peer: Peer,
    routes: impl Answers,
    limits: Limits,
    clock: Clock,
    shutdown: Shutdown,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        call(routes.clone(), request)
    });
    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).max_concurrent_streams(limits.streams).max_header_list_size(64 << 10);
    if let Some((interval, timeout)) = limits.keep_alive {
        builder.keep_alive_interval(interval).keep_alive_timeout(timeout);
    }
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = connection.as_mut() => {
            if let Err(error) = ended {
                debug!(%error, "Connection ended");
            }
            return;
        }
        () = limits.aged(&clock) => {}
        () = shutdown.triggered() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _late = clock.timeout(limits.grace, connection).await;
}

async fn call(mut routes: impl Answers, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    // gRPC routes are always ready, and answer errors as statuses.
    routes.call(request.map(Body::new)).await
}

#[cfg(test)]
mod tests;
