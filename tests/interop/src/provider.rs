//! An OIDC discovery provider of either product, asked over its Unix socket.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::poll;
use crate::process::Process;
use crate::product::Product;

/// What was answered to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers, their names in lower case, in alphabetical order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A running provider.
#[derive(Debug)]
pub struct Provider {
    process: Process,
    socket: PathBuf,
}

impl Provider {
    /// Starts a provider for `localhost` with further `lines` in its configuration, and waits until it listens.
    ///
    /// # Errors
    /// When it ends or does not listen.
    pub fn start(product: Product, folder: &Path, lines: &str) -> Result<Self> {
        let name = format!("oidc-{product:?}");
        let (config, socket) = (folder.join(format!("{name}.conf")), folder.join(format!("{name}.sock")));
        let text =
            format!("log_level = \"debug\"\ndomains = [\"localhost\"]\nlisten_socket_path = {socket:?}\n{lines}\n");
        std::fs::write(&config, text)?;
        let mut run = Command::new(product.program("oidc-discovery-provider", folder)?);
        run.arg("-config").arg(&config);
        let mut process = Process::start(&mut run, &folder.join(format!("{name}.log")))?;
        poll::until("a listening provider", || {
            if let Some(exit) = process.ended()? {
                bail!("the provider ended with {exit}: {}", process.printed()?);
            }
            Ok(UnixStream::connect(&socket).is_ok().then_some(()))
        })?;
        Ok(Self { process, socket })
    }

    /// Asks for `path` by `method` with these headers; a host must be among them.
    ///
    /// # Errors
    /// When there is no answer in HTTP.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        exchange(UnixStream::connect(&self.socket)?, method, path, headers)
    }

    /// Waits until the provider has keys; yields the answer with them.
    ///
    /// # Errors
    /// When it does not get any.
    pub fn await_keys(&self, path: &str) -> Result<Answer> {
        poll::until("keys", || {
            let answer = self.ask("GET", path, &[("Host", "localhost")])?;
            Ok((answer.status == 200).then_some(answer))
        })
    }

    /// Ends it with SIGTERM; returns the exit status.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(self) -> Result<i32> {
        self.process.stop()
    }
}

/// Asks whoever listens on a port of this machine.
///
/// # Errors
/// When there is no answer in HTTP.
pub fn get(port: u16, path: &str) -> Result<Answer> {
    exchange(TcpStream::connect(("127.0.0.1", port))?, "GET", path, &[("Host", "localhost")])
}

fn exchange(mut stream: impl Read + Write, method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
    write!(stream, "{method} {path} HTTP/1.1\r\n")?;
    for (name, value) in headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    write!(stream, "Connection: close\r\nContent-Length: 0\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    answer(&text).with_context(|| format!("{method} {path}: {text}"))
}

fn answer(text: &str) -> Result<Answer> {
    let (head, body) = text.split_once("\r\n\r\n").context("no end of the head")?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("no status")?.parse()?;
    let mut headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    headers.sort();
    Ok(Answer { status, headers, body: body.to_owned() })
}
