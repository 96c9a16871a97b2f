//! Where messages are delivered.

mod file;
mod otlp;
mod post;
mod stdout;
mod syslog;
mod webhook;

use async_trait::async_trait;

use crate::facts::Facts;
use crate::format::Format;
use crate::settings::OutletSettings;

/// A record on its way.
#[derive(Debug)]
pub(crate) struct Message {
    /// One line, without its line feed.
    pub(crate) text: Vec<u8>,
    pub(crate) facts: Facts,
}

/// Why messages were not delivered.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct Undelivered {
    pub(crate) reason: String,
    /// Whether the receiver does not want what it was sent, so that it is of no use to send it again.
    pub(crate) is_refused: bool,
}

impl From<String> for Undelivered {
    fn from(reason: String) -> Self {
        Self { reason, is_refused: false }
    }
}

/// Delivers messages.
#[async_trait]
pub(crate) trait Outlet: Send {
    /// Whether a delivery that went well has arrived. Of one that only was written, the last may be lost with its connection.
    fn acknowledges(&self) -> bool {
        true
    }

    /// Delivers messages in order; yields how many of them the receiver says that it has thrown away.
    async fn deliver(&mut self, messages: &[Message]) -> Result<u64, Undelivered>;
}

/// Makes an outlet. Nothing is opened or connected yet.
pub(crate) fn outlet(settings: &OutletSettings, format: Format) -> Box<dyn Outlet> {
    match settings.clone() {
        OutletSettings::Stdout => Box::new(stdout::Stdout),
        OutletSettings::File { path } => Box::new(file::Lines { path }),
        OutletSettings::Syslog(settings) => Box::new(syslog::Syslog::new(settings)),
        OutletSettings::Otlp(url) => Box::new(otlp::Otlp::new(url)),
        OutletSettings::Webhook { url, secret_path } => Box::new(webhook::Webhook::new(url, secret_path, format)),
    }
}

/// The texts of messages, a line each.
fn lines(messages: &[Message]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(messages.iter().map(|message| message.text.len() + 1).sum());
    for message in messages {
        lines.extend_from_slice(&message.text);
        lines.push(b'\n');
    }
    lines
}
