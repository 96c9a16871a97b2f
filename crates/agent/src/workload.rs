//! Which workload is calling.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use steeple_clock::Clock;
use steeple_net::UnixPeer;
use steeple_plugin::WorkloadAttestor;
use steeple_types::Selector;
use tonic::Status;
use tracing::{debug, error};

/// Longest one attestor may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// Tells the selectors of callers.
pub(crate) struct Attestation {
    attestors: Vec<Arc<dyn WorkloadAttestor>>,
    clock: Clock,
}

impl Attestation {
    pub(crate) fn new(attestors: Vec<Arc<dyn WorkloadAttestor>>, clock: Clock) -> Self {
        Self { attestors, clock }
    }

    /// The selectors of the caller, by all attestors at once. One that fails is passed over; when all fail, or when the
    /// process that called has ended meanwhile, nothing is known of the caller.
    pub(crate) async fn attest(&self, peer: &UnixPeer) -> Result<Vec<Selector>, Status> {
        let pid = peer.process.pid();
        let failed = || Status::unavailable("workload attestation failed");
        peer.process.check().map_err(|_| failed())?;
        let ask = async |attestor: &Arc<dyn WorkloadAttestor>| match self
            .clock
            .timeout(DEADLINE, attestor.attest(pid))
            .await
        {
            Ok(Ok(selectors)) => Some(selectors),
            Ok(Err(error)) => {
                error!(%error, pid, plugin_name = attestor.name(), subsystem_name = "workload_attestor", "Failed to collect all selectors for PID");
                None
            }
            Err(_) => {
                error!(
                    pid,
                    plugin_name = attestor.name(),
                    subsystem_name = "workload_attestor",
                    "Workload attestor took longer than 30 s"
                );
                None
            }
        };
        let answers = join_all(self.attestors.iter().map(ask)).await;
        // What was read belongs to this process only if it still runs.
        peer.process.check().map_err(|_| failed())?;
        if answers.iter().all(Option::is_none) {
            return Err(failed());
        }
        let mut selectors: Vec<Selector> = answers.into_iter().flatten().flatten().collect();
        selectors.sort_unstable();
        selectors.dedup();
        debug!(pid, ?selectors, subsystem_name = "workload_attestor", "PID attested to have selectors");
        Ok(selectors)
    }
}
