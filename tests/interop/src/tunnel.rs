//! A proxy of HTTP on 127.0.0.1 that leads to the same port of this machine whatever host a client asks for, so that names
//! which no DNS knows can be reached.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;

use crate::proxy::join;

/// A running proxy.
#[derive(Debug)]
pub struct Tunnel {
    port: u16,
    is_over: Arc<AtomicBool>,
}

impl Tunnel {
    /// Starts one.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(io::Result::ok) {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                std::thread::spawn(move || {
                    let _refused = open(client);
                });
            }
        });
        Ok(Self { port, is_over })
    }

    /// The variable of the environment by which programs go through it.
    pub fn environment(&self) -> (String, String) {
        ("HTTPS_PROXY".to_owned(), format!("http://127.0.0.1:{}", self.port))
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts, so that it sees the end.
        let _woken = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Answers `CONNECT host:port`. A client says nothing more before it is answered.
fn open(mut client: TcpStream) -> io::Result<()> {
    let mut lines = BufReader::new(client.try_clone()?).lines();
    let asked = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let port = asked.split(' ').nth(1).and_then(|target| target.rsplit(':').next()?.parse::<u16>().ok());
    let server = TcpStream::connect(("127.0.0.1", port.unwrap_or_default()))?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    join(client, server)
}
