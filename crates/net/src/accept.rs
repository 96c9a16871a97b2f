//! Accepting connections: so many at once, each served for itself, all of them brought to an end at a stop.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use steeple_clock::Clock;
use steeple_runtime::Shutdown;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::debug;

use self::seldom::Seldom;
use crate::Limits;

mod seldom;

/// Where connections come from.
pub(crate) trait Listener: Send + 'static {
    type Socket: Send;
    type Address: Send;
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Socket, Self::Address)>> + Send;
}

impl Listener for TcpListener {
    type Socket = TcpStream;
    type Address = SocketAddr;
    async fn accept(&self) -> io::Result<(Self::Socket, Self::Address)> {
        Self::accept(self).await
    }
}

impl Listener for UnixListener {
    type Socket = UnixStream;
    type Address = tokio::net::unix::SocketAddr;
    async fn accept(&self) -> io::Result<(Self::Socket, Self::Address)> {
        Self::accept(self).await
    }
}

/// Serves each connection of `listener` by `serve` until the shutdown, then lets them end within the grace. An error of
/// `serve` is a connection that was refused.
pub(crate) async fn accept_loop<L, C>(
    listener: L,
    limits: Limits,
    clock: Clock,
    shutdown: Shutdown,
    serve: impl Fn(L::Socket, L::Address) -> C,
) where
    L: Listener,
    C: Future<Output = io::Result<()>> + Send + 'static,
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
        let connection = serve(accepted.0, accepted.1);
        let (clock, refused) = (clock.clone(), Arc::clone(&refused));
        connections.spawn(async move {
            let _place = place;
            // Whoever scans ports must not fill the log.
            if let Err(error) = connection.await
                && let Some(left_out) = refused.turn(clock.monotonic())
            {
                debug!(%error, left_out, "Connection was refused");
            }
        });
    }
    let _late = clock.timeout(limits.grace, async { while connections.join_next().await.is_some() {} }).await;
    connections.shutdown().await;
}
