//! What the binary hands in: every concrete implementation that a server uses, behind a trait.

use std::sync::Arc;
use std::time::Duration;

use steeple_audit::Audit;
use steeple_clock::Clock;
use steeple_plugin::{KeyManager, NodeAttestor, UpstreamAuthority};
use steeple_store::Store;
use tonic::Code;

use crate::api::Row;

/// The parts of a server.
pub struct Parts {
    /// The time.
    pub clock: Clock,
    /// The datastore.
    pub store: Store,
    /// Where private keys are kept.
    pub key_manager: Arc<dyn KeyManager>,
    /// Who signs the server's CA; itself if nobody.
    pub upstream_authority: Option<Arc<dyn UpstreamAuthority>>,
    /// Ways in which nodes attest.
    pub node_attestors: Vec<Arc<dyn NodeAttestor>>,
    /// Where events are recorded.
    pub audit: Audit,
    /// The process log.
    pub log: Arc<dyn LogControl>,
    /// Where calls are counted.
    pub metrics: Arc<dyn CallMetrics>,
}

/// Levels of the log, as the Logger service knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Panic,
    Fatal,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// The name that logrus has for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Fatal => "fatal",
            Self::Error => "error",
            Self::Warn => "warning",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Reads and sets the level of the process log.
pub trait LogControl: Send + Sync {
    /// The level now.
    fn level(&self) -> LogLevel;
    /// The level at the start.
    fn launch_level(&self) -> LogLevel;
    /// Sets the level.
    fn set_level(&self, level: LogLevel);
}

/// Counts calls.
pub trait CallMetrics: Send + Sync {
    /// A call of an RPC has ended.
    fn rpc(&self, row: &Row, code: Code, elapsed: Duration);
    /// All that was counted, in the text form of Prometheus.
    fn render(&self) -> String;
}
