//! Serving gRPC over TLS and Unix sockets.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use steeple_clock::Clock;
use steeple_runtime::Shutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tonic::body::Body;
use tower_service::Service;
use tracing::debug;

use self::seldom::Seldom;
use crate::authority::AuthorityFilter;
use crate::{Callers, Peer};

mod seldom;

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
}

/// Serves `routes` over TLS until the shutdown, then lets calls finish within the grace.
///
/// # Errors
/// When the listener fails.
pub async fn serve_tls(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    routes: impl Answers,
    limits: Limits,
    clock: Clock,
    shutdown: Shutdown,
) -> io::Result<()> {
    let acceptor = TlsAcceptor::from(config);
    let handshake_clock = clock.clone();
    let connect = move |socket: tokio::net::TcpStream, address| {
        let (acceptor, clock) = (acceptor.clone(), handshake_clock.clone());
        async move {
            socket.set_nodelay(true)?;
            let stream = clock
                .timeout(limits.handshake, acceptor.accept(socket))
                .await
                .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "TLS handshake took too long"))??;
            let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
            let chain = chain.iter().map(|der| der.to_vec()).collect();
            Ok((stream, Peer::Tls { address, chain }))
        }
    };
    accept_loop(limits, clock, shutdown, routes, listener, connect).await
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
    let connect = move |socket: tokio::net::UnixStream, _address| async move {
        let peer = callers.peer(&socket)?;
        Ok((AuthorityFilter::new(socket), peer))
    };
    accept_loop(limits, clock, shutdown, routes, listener, connect).await
}

/// Where connections come from.
trait Listener: Send + 'static {
    type Socket: Send;
    type Address: Send;
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Socket, Self::Address)>> + Send;
}

impl Listener for TcpListener {
    type Socket = tokio::net::TcpStream;
    type Address = std::net::SocketAddr;
    async fn accept(&self) -> io::Result<(Self::Socket, Self::Address)> {
        Self::accept(self).await
    }
}

impl Listener for UnixListener {
    type Socket = tokio::net::UnixStream;
    type Address = tokio::net::unix::SocketAddr;
    async fn accept(&self) -> io::Result<(Self::Socket, Self::Address)> {
        Self::accept(self).await
    }
}

async fn accept_loop<L, C, I>(
    limits: Limits,
    clock: Clock,
    shutdown: Shutdown,
    routes: impl Answers,
    listener: L,
    connect: impl Fn(L::Socket, L::Address) -> C,
) -> io::Result<()>
where
    L: Listener,
    C: Future<Output = io::Result<(I, Peer)>> + Send + 'static,
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    let (not_accepted, refused) = (Seldom::default(), Arc::new(Seldom::default()));
    loop {
        let Some(place) = shutdown.until(Arc::clone(&places).acquire_owned()).await else { break };
        let accepted = match shutdown.until(listener.accept()).await {
            None => break,
            Some(Ok(accepted)) => accepted,
            // Out of descriptors or a connection that broke before it was taken: the next one may work.
            Some(Err(error)) => {
                if let Some(left_out) = not_accepted.turn(clock.monotonic()) {
                    debug!(%error, left_out, "Connection was not accepted");
                }
                clock.sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let connection = connect(accepted.0, accepted.1);
        let (routes, clock, shutdown) = (routes.clone(), clock.clone(), shutdown.clone());
        let refused = Arc::clone(&refused);
        connections.spawn(async move {
            let _place = place;
            match connection.await {
                Ok((stream, peer)) => serve_connection(stream, peer, routes, limits, clock, shutdown).await,
                // Whoever scans ports must not fill the log.
                Err(error) => {
                    if let Some(left_out) = refused.turn(clock.monotonic()) {
                        debug!(%error, left_out, "Connection was refused");
                    }
                }
            }
        });
    }
    let _late = clock.timeout(limits.grace, async { while connections.join_next().await.is_some() {} }).await;
    connections.shutdown().await;
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
    let age = async {
        match limits.age {
            Some(age) => clock.sleep(age).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = connection.as_mut() => {
            if let Err(error) = ended {
                debug!(%error, "Connection ended");
            }
            return;
        }
        () = age => {}
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
