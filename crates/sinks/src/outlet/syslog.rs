//! Syslog (RFC 5424) over TLS (RFC 5425).

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Message, Outlet, Undelivered};
use crate::facts::Facts;
use crate::settings::SyslogSettings;
use crate::tls;

pub(super) struct Syslog {
    settings: SyslogSettings,
    stream: Option<TlsStream<TcpStream>>,
    host: String,
}

impl Syslog {
    pub(super) fn new(settings: SyslogSettings) -> Self {
        let host = rustix::system::uname();
        let host = host.nodename().to_str().ok().filter(|host| is_printable(host, 255)).unwrap_or("-").to_owned();
        Self { settings, stream: None, host }
    }

    async fn connect(&self) -> Result<TlsStream<TcpStream>, String> {
        let address = self.settings.address.as_str();
        let tls = self.settings.tls.clone();
        let config = tokio::task::spawn_blocking(move || tls::client(&tls)).await;
        let config = config.map_err(|error| error.to_string()).flatten()?;
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
        let name = self.settings.server_name.clone().unwrap_or_else(|| host.to_owned());
        let name = ServerName::try_from(name).map_err(|error| format!("{address}: {error}"))?;
        let socket = TcpStream::connect(address).await.map_err(|error| format!("{address}: {error}"))?;
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, socket).await.map_err(|error| format!("{address}: {error}"))
    }

    /// The message with its length before it (RFC 5425, section 4.3).
    fn frame(&self, Message { text, facts }: &Message, frames: &mut Vec<u8>) {
        let head = format!(
            "<{}>1 {} {} steeple {} {} - ",
            u16::from(self.settings.facility) * 8 + u16::from(severity(facts.severity_id)),
            time(facts),
            self.host,
            std::process::id(),
            message_id(facts),
        );
        frames.extend_from_slice(format!("{} {head}", head.len() + text.len()).as_bytes());
        frames.extend_from_slice(text);
    }
}

#[async_trait]
impl Outlet for Syslog {
    fn acknowledges(&self) -> bool {
        false
    }

    async fn deliver(&mut self, messages: &[Message]) -> Result<u64, Undelivered> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.connect().await?,
        };
        let mut frames = Vec::new();
        for message in messages {
            self.frame(message, &mut frames);
        }
        let address = &self.settings.address;
        let told = |error: io::Error| format!("{address}: {error}");
        is_open(&mut stream).await.map_err(told)?;
        stream.write_all(&frames).await.map_err(told)?;
        stream.flush().await.map_err(told)?;
        self.stream = Some(stream);
        Ok(0)
    }
}

/// A receiver never says anything: what can be read is the end.
async fn is_open(stream: &mut TlsStream<TcpStream>) -> io::Result<()> {
    let mut byte = [0];
    tokio::select! {
        biased;
        read = stream.read(&mut byte) => match read {
            Ok(0) => Err(io::Error::other("the receiver has ended the connection")),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        },
        () = std::future::ready(()) => Ok(()),
    }
}

/// With microseconds, of which there are six digits at most.
fn time(facts: &Facts) -> String {
    let time = facts.metadata.original_time.parse().or_else(|_| jiff::Timestamp::from_millisecond(facts.time));
    time.map_or_else(|_| "-".to_owned(), |time| format!("{time:.6}"))
}

/// As RFC 5424 numbers severities.
fn severity(severity: u8) -> u8 {
    match severity {
        0 | 1 => 6,
        2 => 5,
        3 => 4,
        4 => 3,
        _ => 2,
    }
}

/// The event's name, at most 32 characters.
fn message_id(facts: &Facts) -> &str {
    let event = facts.metadata.event_code.as_str();
    let event = event.get(..32).unwrap_or(event);
    if is_printable(event, 32) { event } else { "-" }
}

fn is_printable(text: &str, most: usize) -> bool {
    !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::example;
    use crate::settings::TlsSettings;

    #[test]
    fn message_is_framed_as_the_standards_have_it() {
        let settings =
            SyslogSettings { address: "a:1".to_owned(), server_name: None, facility: 13, tls: TlsSettings::default() };
        let mut syslog = Syslog::new(settings);
        syslog.host = "node".to_owned();
        let mut frames = Vec::new();
        syslog.frame(&Message { text: b"{}".to_vec(), facts: example() }, &mut frames);
        let pid = std::process::id();
        let message = format!("<107>1 2026-01-02T03:04:05.678901Z node steeple {pid} authority_tainted - {{}}");
        assert_eq!(String::from_utf8(frames).unwrap(), format!("{} {message}", message.len()));
    }
}
