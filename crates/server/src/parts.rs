//! What the binary hands in: every concrete implementation that a server uses, behind a trait.

use std::sync::Arc;
use std::time::Duration;

use steeple_audit::Audit;
use steeple_clock::Clock;
use steeple_plugin::{BundlePublisher, KeyManager, NodeAttestor, Notifier, UpstreamAuthority};
use steeple_sinks::State;
use steeple_store::Store;
use steeple_telemetry::Level;
use tonic::Code;

use crate::api::Row;

/// The parts of a server.
pub struct Parts {
    /// The name of the machine, by which operators tell servers apart.
    pub host: String,
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
    /// Who publishes the bundle.
    pub bundle_publishers: Vec<Arc<dyn BundlePublisher>>,
    /// Who is told of the bundle.
    pub notifiers: Vec<Arc<dyn Notifier>>,
    /// Where events are recorded.
    pub audit: Audit,
    /// The sinks that are fed from there, of which metrics tell how they are doing.
    pub audit_sinks: Vec<Arc<State>>,
    /// The process log.
    pub log: Arc<dyn LogControl>,
    /// Where calls are counted.
    pub metrics: Arc<dyn CallMetrics>,
}

/// Reads and sets the level of the process log.
pub trait LogControl: Send + Sync {
    /// The level now.
    fn level(&self) -> Level;
    /// The level at the start.
    fn launch_level(&self) -> Level;
    /// Sets the level.
    fn set_level(&self, level: Level);
}

/// Counts calls.
pub trait CallMetrics: Send + Sync {
    /// A call of an RPC has ended.
    fn rpc(&self, row: &Row, code: Code, elapsed: Duration);
    /// A call whose rate is limited has had its turn, or was refused it.
    fn turn(&self, row: &Row, code: Code, elapsed: Duration);
    /// Something that the server does by itself has ended.
    fn job(&self, key: &str, labels: &[(&'static str, String)], code: Code, elapsed: Duration);
    /// Something has happened.
    fn count(&self, key: &str, labels: &[(&'static str, String)]);
    /// Something is so now.
    fn gauge(&self, key: &str, labels: &[(&'static str, String)], value: f64);
    /// All that was counted, in the text form of Prometheus.
    fn render(&self) -> String;
}
