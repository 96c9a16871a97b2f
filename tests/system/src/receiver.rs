//! An HTTPS server that keeps what is posted to it, and answers as a test wants.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::authority::Leaf;

/// What was posted.
#[derive(Clone, Debug)]
pub struct Post {
    /// The head, in lower case.
    pub head: String,
    /// The body.
    pub body: String,
}

/// What is answered to a body: a status line's end such as `200 OK`, and a body.
type Answer = dyn Fn(&str) -> (&'static str, &'static str) + Send + Sync;

/// A server on a port of this machine, until it is dropped.
pub struct Receiver {
    /// Its port.
    pub port: u16,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    answer: Box<Answer>,
    config: Arc<ServerConfig>,
}

#[derive(Default)]
struct State {
    posts: Vec<Post>,
    is_blocked: bool,
    is_over: bool,
}

impl Receiver {
    /// Serves with this certificate.
    ///
    /// # Errors
    /// When no port or no configuration can be had.
    pub fn start(
        leaf: &Leaf,
        answer: impl Fn(&str) -> (&'static str, &'static str) + Send + Sync + 'static,
    ) -> Result<Self> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf.key.to_pkcs8()?.to_vec()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = config.with_no_client_auth();
        let config = config.with_single_cert(vec![CertificateDer::from(leaf.certificate.clone())], key)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            answer: Box::new(answer),
            config: Arc::new(config),
        });
        let serving = Arc::clone(&shared);
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.locked(|state| state.is_over) {
                    return;
                }
                let (Ok(stream), serving) = (stream, Arc::clone(&serving)) else { continue };
                std::thread::spawn(move || {
                    // A client that breaks off is no concern of the server.
                    let _ = serving.serve(stream);
                });
            }
        });
        Ok(Self { port, shared, accepting: Some(accepting) })
    }

    /// What was posted so far.
    pub fn posts(&self) -> Vec<Post> {
        self.shared.locked(|state| state.posts.clone())
    }

    /// Has clients wait for their answers from now on, or goes on.
    pub fn block(&self, is_blocked: bool) {
        self.shared.locked(|state| state.is_blocked = is_blocked);
        self.shared.changed.notify_all();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.locked(|state| (state.is_over, state.is_blocked) = (true, false));
        self.shared.changed.notify_all();
        let _woken = TcpStream::connect(("127.0.0.1", self.port));
        let _ended = self.accepting.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn locked<T>(&self, of: impl FnOnce(&mut State) -> T) -> T {
        of(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn serve(&self, stream: TcpStream) -> Result<()> {
        let connection = ServerConnection::new(Arc::clone(&self.config))?;
        let mut stream = BufReader::new(StreamOwned::new(connection, stream));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let head = head.to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).context("no length")?;
        let mut body = vec![0; length.trim().parse()?];
        stream.read_exact(&mut body)?;
        let body = String::from_utf8(body)?;
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.changed.wait_while(state, |state| state.is_blocked);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        let (status, said) = (self.answer)(&body);
        if status.starts_with('2') {
            state.posts.push(Post { head, body });
        }
        drop(state);
        let length = said.len();
        let stream = stream.get_mut();
        write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{said}")?;
        stream.conn.send_close_notify();
        stream.flush()?;
        Ok(())
    }
}
