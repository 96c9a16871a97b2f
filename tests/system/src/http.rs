//! Plain HTTP, as probes and Prometheus speak it.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result};

/// Status and body of what an HTTP server on `port` of this machine answers.
///
/// # Errors
/// When there is none, or it does not answer in HTTP.
pub fn get(port: &str, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}"))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no body")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok((status, body.to_owned()))
}
