//! What the binary hands in: every concrete implementation that an agent uses, behind a trait.

use std::sync::Arc;

use steeple_clock::Clock;
use steeple_plugin::{AgentNodeAttestor, KeyManager, WorkloadAttestor};
use steeple_telemetry::{Log, Metrics};

/// The parts of an agent.
pub struct Parts {
    /// The time.
    pub clock: Clock,
    /// Where the agent's own keys are kept.
    pub key_manager: Arc<dyn KeyManager>,
    /// How the node attests.
    pub node_attestor: Arc<dyn AgentNodeAttestor>,
    /// How workloads are told apart.
    pub workload_attestors: Vec<Arc<dyn WorkloadAttestor>>,
    /// The process log.
    pub log: Log,
    /// Where calls are counted.
    pub metrics: Metrics,
}
