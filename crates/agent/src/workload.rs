//! Which workload is calling.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use steeple_clock::Clock;
use steeple_explain::Attested;
use steeple_net::{Process, UnixPeer};
use steeple_plugin::{MountedPod, Occupant, Place, WorkloadAttestor};
use steeple_runtime::Shutdown;
use steeple_telemetry::Metrics;
use steeple_types::{Selector, SelectorSet};
use tracing::{Level, debug, error};

/// Longest one attestor may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// What a workload was found to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// Its selectors, in order.
    pub(crate) selectors: Vec<Selector>,
    /// What each attestor said.
    pub(crate) attestors: Vec<Attested>,
}

/// Tells the selectors of callers.
pub(crate) struct Attestation {
    attestors: Vec<Arc<dyn WorkloadAttestor>>,
    clock: Clock,
    metrics: Metrics,
}

impl Attestation {
    pub(crate) fn new(attestors: Vec<Arc<dyn WorkloadAttestor>>, clock: Clock, metrics: Metrics) -> Self {
        Self { attestors, clock, metrics }
    }

    /// Keeps up to date what the attestors answer from.
    pub(crate) async fn follow(&self, shutdown: &Shutdown) {
        join_all(self.attestors.iter().map(|attestor| attestor.follow(shutdown))).await;
    }

    /// The attestors that there are, as if they had given `selectors`.
    pub(crate) fn names(&self, selectors: &SelectorSet) -> Vec<Attested> {
        let told = |name: &str| {
            let count = selectors.iter().filter(|selector| selector.kind() == name).count();
            Attested { name: name.to_owned(), outcome: Ok(count) }
        };
        self.attestors.iter().map(|attestor| told(attestor.name())).collect()
    }

    /// What the caller is, by all attestors at once. One that fails is passed over; when all fail, or when the process that
    /// called has ended meanwhile, nothing is known of the caller.
    ///
    /// # Errors
    /// What each attestor said, when none could tell anything.
    pub(crate) async fn attest(&self, peer: &UnixPeer) -> Result<Known, Vec<Attested>> {
        let began = self.clock.monotonic();
        let outcome = self.ask_all(peer).await;
        let status = if outcome.is_ok() { "OK" } else { "Unavailable" };
        let elapsed = self.clock.monotonic().saturating_sub(began);
        self.metrics.call("workload_api_workload_attestation", status, elapsed);
        if let Ok(known) = &outcome {
            let count = u32::try_from(known.selectors.len()).unwrap_or(u32::MAX);
            self.metrics.sample("workload_api_discovered_selectors", f64::from(count));
        }
        outcome
    }

    async fn ask_all(&self, peer: &UnixPeer) -> Result<Known, Vec<Attested>> {
        let pid = peer.process.pid();
        let known = self.look(&peer.process).await.map_err(|error| {
            error!(%error, pid, subsystem_name = "workload_attestor", "Workload is not the process that connected");
            Vec::new()
        })?;
        if known.attestors.iter().all(|attested| attested.outcome.is_err()) {
            return Err(known.attestors);
        }
        tell(pid, &known.selectors);
        Ok(known)
    }

    /// Who is in a place.
    ///
    /// # Errors
    /// Why nobody is known.
    pub(crate) async fn find(&self, place: &Place) -> Result<Occupant, String> {
        let ask = |attestor: &Arc<dyn WorkloadAttestor>| {
            let attestor = Arc::clone(attestor);
            async move { self.clock.timeout(DEADLINE, attestor.find(place)).await }
        };
        let mut reasons = Vec::new();
        for answer in join_all(self.attestors.iter().map(ask)).await {
            match answer {
                Ok(Ok(Some(occupant))) => return Ok(occupant),
                Ok(Ok(None)) => {}
                Ok(Err(error)) => reasons.push(error.to_string()),
                Err(_) => reasons.push("an attestor took longer than 30 s".to_owned()),
            }
        }
        match (reasons.is_empty(), place) {
            (false, _) => Err(reasons.join("; ")),
            (true, Place::Container(_)) => {
                Err("no workload attestor of this agent knows containers; configure docker or k8s".to_owned())
            }
            (true, Place::Pod { .. }) => Err("no workload attestor of this agent knows pods; configure k8s".to_owned()),
        }
    }

    /// What all attestors say of a process.
    ///
    /// # Errors
    /// When the process has ended.
    pub(crate) async fn look(&self, process: &Process) -> io::Result<Known> {
        process.check()?;
        let ask = |attestor: &Arc<dyn WorkloadAttestor>| {
            let attestor = Arc::clone(attestor);
            async move { (attestor.name().to_owned(), self.ask(attestor.as_ref(), process.pid()).await) }
        };
        let answers = join_all(self.attestors.iter().map(ask)).await;
        // What was read belongs to this process only if it still runs.
        process.check()?;
        let mut known = Known::default();
        for (name, answer) in answers {
            let outcome = answer.map(|selectors| {
                let count = selectors.len();
                known.selectors.extend(selectors);
                count
            });
            known.attestors.push(Attested { name, outcome });
        }
        known.selectors.sort_unstable();
        known.selectors.dedup();
        Ok(known)
    }

    /// What a pod is that calls on its own socket.
    ///
    /// # Errors
    /// What the attestors said.
    pub(crate) async fn attest_caller(&self, pod: &MountedPod) -> Result<Known, Vec<Attested>> {
        let began = self.clock.monotonic();
        let outcome = self.attest_pod(pod).await;
        let status = if outcome.is_ok() { "OK" } else { "Unavailable" };
        let elapsed = self.clock.monotonic().saturating_sub(began);
        self.metrics.call("workload_api_workload_attestation", status, elapsed);
        match outcome {
            Ok(selectors) => {
                let attestors = self.names(&selectors.iter().cloned().collect());
                Ok(Known { selectors, attestors })
            }
            Err(error) => {
                let (pod_uid, namespace, name) = (&pod.uid, &pod.namespace, &pod.name);
                error!(
                    error,
                    pod_uid,
                    namespace,
                    name,
                    subsystem_name = "workload_attestor",
                    "Pod could not be attested"
                );
                Err(vec![Attested { name: "k8s".to_owned(), outcome: Err(error) }])
            }
        }
    }

    /// The selectors of a pod, by all attestors at once.
    ///
    /// # Errors
    /// Why no attestor knows the pod.
    pub(crate) async fn attest_pod(&self, pod: &MountedPod) -> Result<Vec<Selector>, String> {
        let ask = |attestor: &Arc<dyn WorkloadAttestor>| {
            let attestor = Arc::clone(attestor);
            async move { self.clock.timeout(DEADLINE, attestor.attest_pod(pod)).await }
        };
        let (mut selectors, mut reasons) = (Vec::new(), Vec::new());
        for answer in join_all(self.attestors.iter().map(ask)).await {
            match answer {
                Ok(Ok(found)) => selectors.extend(found),
                Ok(Err(error)) => reasons.push(error.to_string()),
                Err(_) => reasons.push("an attestor took longer than 30 s".to_owned()),
            }
        }
        selectors.sort_unstable();
        selectors.dedup();
        match (selectors.is_empty(), reasons.is_empty()) {
            (false, _) => Ok(selectors),
            (true, false) => Err(reasons.join("; ")),
            (true, true) => Err("no workload attestor of this agent knows pods; configure k8s".to_owned()),
        }
    }

    /// What one attestor says, or why it says nothing.
    async fn ask(&self, attestor: &dyn WorkloadAttestor, pid: u32) -> Result<Vec<Selector>, String> {
        let began = self.clock.monotonic();
        let answer = self.clock.timeout(DEADLINE, attestor.attest(pid)).await;
        let answer = match answer {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err("it took longer than 30 s".to_owned()),
        };
        let status = if answer.is_ok() { "OK" } else { "Unknown" };
        let label = [("attestor", attestor.name().to_owned())];
        let elapsed = self.clock.monotonic().saturating_sub(began);
        self.metrics.call_of("workload_api_workload_attestor", &label, status, elapsed);
        answer.inspect_err(|error| {
            error!(
                error,
                pid,
                plugin_name = attestor.name(),
                subsystem_name = "workload_attestor",
                "Failed to collect all selectors for PID"
            );
        })
    }
}

/// Tells what a process was found to be, where somebody reads it: the texts cost more than the attestation of a process.
fn tell(pid: u32, selectors: &[Selector]) {
    if !tracing::enabled!(Level::DEBUG) {
        return;
    }
    let told: Vec<String> =
        selectors.iter().map(|one| format!("type:{:?} value:{:?}", one.kind(), one.value())).collect();
    let in_json: Vec<serde_json::Value> =
        selectors.iter().map(|one| serde_json::json!({ "type": one.kind(), "value": one.value() })).collect();
    debug!(
        pid,
        in_json = %serde_json::json!({ "selectors": in_json }),
        selectors = format!("[{}]", told.join(" ")),
        subsystem_name = "workload_attestor",
        "PID attested to have selectors"
    );
}
