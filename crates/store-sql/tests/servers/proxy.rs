//! A proxy before a server's socket that cuts each connection after some bytes, others for each.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

/// As far as a connection gets at most, in bytes from the client: some transactions.
const FARTHEST: usize = 9_000;

/// A proxy; its connections end with it.
pub(crate) struct Proxy {
    socket: PathBuf,
    cuts: Arc<AtomicUsize>,
    has_ended: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens on `socket` and goes on to `server`.
    pub(crate) fn new(socket: &Path, server: PathBuf) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let (cuts, has_ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counter, ended) = (Arc::clone(&cuts), Arc::clone(&has_ended));
        let accepting = std::thread::spawn(move || {
            for (number, client) in listener.incoming().enumerate() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                // Any step that shares no divisor with the length comes to every place in time.
                let allowed = (number * 1_237) % FARTHEST;
                let (client, server) = (client.unwrap(), UnixStream::connect(&server).unwrap());
                let counter = Arc::clone(&counter);
                std::thread::spawn(move || carry(&client, &server, allowed, &counter));
            }
        });
        Self { socket: socket.to_owned(), cuts, has_ended, accepting: Some(accepting) }
    }

    /// How many connections were cut.
    pub(crate) fn cuts(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.has_ended.store(true, Ordering::SeqCst);
        // Whoever accepts looks up at the next connection.
        let _woken = UnixStream::connect(&self.socket);
        if let Some(accepting) = self.accepting.take() {
            accepting.join().unwrap();
        }
    }
}

/// Carries bytes both ways until the client has sent `allowed` of them, or either side has enough.
fn carry(client: &UnixStream, server: &UnixStream, allowed: usize, cuts: &AtomicUsize) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ended = std::io::copy(&mut { server }, &mut { client });
            let _gone = client.shutdown(Shutdown::Both);
        });
        let sent = std::io::copy(&mut { client }.take(allowed as u64), &mut { server }).unwrap_or_default();
        let _flushed = { server }.flush();
        if sent == allowed as u64 {
            cuts.fetch_add(1, Ordering::SeqCst);
        }
        for side in [server, client] {
            let _gone = side.shutdown(Shutdown::Both);
        }
    });
}
