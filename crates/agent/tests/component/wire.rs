//! The wire between agent and server: it can be cut and laid to another server.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A wire; cut when it is dropped.
pub(crate) struct Wire {
    address: SocketAddr,
    target: Arc<watch::Sender<Option<SocketAddr>>>,
    carrying: JoinHandle<()>,
}

impl Wire {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let target = Arc::new(watch::Sender::new(None));
        let carrying = tokio::spawn(carry(listener, Arc::clone(&target)));
        Self { address, target, carrying }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Lays the wire to `server`. Connections to another end.
    pub(crate) fn lay(&self, server: SocketAddr) {
        self.target.send_replace(Some(server));
    }

    /// Cuts the wire. Connections end, and new ones with them.
    pub(crate) fn cut(&self) {
        self.target.send_replace(None);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.carrying.abort();
    }
}

async fn carry(listener: TcpListener, target: Arc<watch::Sender<Option<SocketAddr>>>) {
    loop {
        let Ok((mut near, _)) = listener.accept().await else { return };
        let mut changed = target.subscribe();
        let Some(server) = *changed.borrow_and_update() else { continue };
        tokio::spawn(async move {
            let Ok(mut far) = TcpStream::connect(server).await else { return };
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                _ = changed.changed() => {}
            }
        });
    }
}
