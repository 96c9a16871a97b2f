//! Waiting until a pod's identity can be issued.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use steeple_config::format_duration;
use steeple_plugin::MountedPod;
use steeple_types::Selector;
use tonic::Status;

use crate::core::Core;
use crate::svid::Identity;

/// How often the pod is looked at again: its labels may change, and no attestor tells when.
const LOOK: Duration = Duration::from_millis(500);
/// Most letters of selectors in an error: a kubelet puts it into an event.
const MAX_SELECTORS: usize = 400;

/// Why there is no identity yet.
enum Lack {
    /// No workload attestor knows the pod.
    Pod(String),
    /// No entry selects it.
    Entry(Vec<Selector>),
    /// The server has not issued what it is to have.
    Svid(Vec<String>),
}

/// Returns when every X.509-SVID is there that a workload on the pod's socket would get, and there is one at least.
///
/// # Errors
/// A status that tells what was still missing after `wait`.
pub(super) async fn issuable(core: &Arc<Core>, pod: &MountedPod, wait: Duration) -> Result<(), Status> {
    let lack = Mutex::new(Lack::Pod("no workload attestor has answered".to_owned()));
    let looking = look(core, pod, &lack);
    core.clock.timeout(wait, looking).await.unwrap_or_else(|_| Err(lack.into_inner().told(pod, wait)))
}

async fn look(core: &Arc<Core>, pod: &MountedPod, lack: &Mutex<Lack>) -> Result<(), Status> {
    let mut state = core.cache.subscribe();
    let mut hurry = None;
    loop {
        let snapshot = Arc::clone(&state.borrow_and_update());
        let mut demand = None;
        match core.attestation.attest_pod(pod).await {
            Err(reason) => *lack.lock() = Lack::Pod(reason),
            Ok(selectors) => {
                let mine = snapshot.matching(&selectors);
                let missing: Vec<String> = mine.iter().filter(|one| one.svid.is_none()).map(id).collect();
                match (mine.is_empty(), missing.is_empty()) {
                    (false, true) => return Ok(()),
                    (true, _) => {
                        *lack.lock() = Lack::Entry(selectors);
                        // It may have been made a moment ago.
                        hurry = hurry.or_else(|| Some(core.hurry()));
                    }
                    (false, false) => {
                        *lack.lock() = Lack::Svid(missing);
                        demand = Some(core.cache.demand(&mine));
                    }
                }
            }
        }
        tokio::select! {
            changed = state.changed() => changed.map_err(|_| Status::unavailable("agent is shutting down"))?,
            () = core.clock.sleep(LOOK) => {}
        }
        drop(demand);
    }
}

fn id(identity: &Identity) -> String {
    identity.entry.spiffe_id.to_string()
}

impl Lack {
    fn told(self, pod: &MountedPod, wait: Duration) -> Status {
        let MountedPod { namespace, name, .. } = pod;
        let (pod, wait) = (format!("pod {namespace}/{name}"), format_duration(wait));
        match self {
            Self::Pod(reason) => Status::unavailable(format!("{pod} could not be attested within {wait}: {reason}")),
            Self::Entry(selectors) => Status::failed_precondition(format!(
                "no identity is registered for {pod}: in {wait} the agent got no entry whose selectors are all among {}; \
                 register one below this node, or have one made by a ClusterSPIFFEID that selects the pod",
                shortened(&selectors)
            )),
            Self::Svid(ids) => Status::unavailable(format!(
                "{pod} has an entry, but the server issued no X.509-SVID within {wait}: {}; see the agent's log",
                ids.join(", ")
            )),
        }
    }
}

fn shortened(selectors: &[Selector]) -> String {
    let all: Vec<String> = selectors.iter().map(|one| format!("{}:{}", one.kind(), one.value())).collect();
    let all = all.join(" ");
    if all.len() <= MAX_SELECTORS {
        return format!("[{all}]");
    }
    let begin: String = all.chars().take(MAX_SELECTORS).collect();
    format!("[{begin} …]")
}
