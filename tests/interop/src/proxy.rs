//! A TCP proxy on 127.0.0.1 that can be turned to another port, as a load balancer is.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use anyhow::Result;

/// A running proxy. Connections that it has made stay where they are until either end closes them.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    target: Arc<AtomicU16>,
    is_over: Arc<AtomicBool>,
}

impl Proxy {
    /// Starts one that leads to `target`.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start(target: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let (target, is_over) = (Arc::new(AtomicU16::new(target)), Arc::new(AtomicBool::new(false)));
        let (to, over) = (Arc::clone(&target), Arc::clone(&is_over));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(io::Result::ok) {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                // A target that does not listen is one that refuses the client.
                if let Ok(server) = TcpStream::connect(("127.0.0.1", to.load(Ordering::SeqCst))) {
                    let _refused = join(client, server);
                }
            }
        });
        Ok(Self { port, target, is_over })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Leads new connections to another port.
    pub fn turn_to(&self, target: u16) {
        self.target.store(target, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts, so that it sees the end.
        let _woken = TcpStream::connect(("127.0.0.1", self.port));
    }
}

pub(crate) fn join(client: TcpStream, server: TcpStream) -> io::Result<()> {
    let (from_client, from_server) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || copy(from_client, server));
    std::thread::spawn(move || copy(from_server, client));
    Ok(())
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to.write_all(buffer.get(..length).unwrap_or_default()).is_err() {
            break;
        }
    }
    let _closed = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
