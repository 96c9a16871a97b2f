//! Whether the agent is healthy: whether a workload gets an answer from it.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use parking_lot::RwLock;
use steeple_config::HealthSettings;
use steeple_net::{UnixPeer, web};
use steeple_runtime::Shutdown;
use tonic::Status;
use tracing::debug;

use crate::core::Core;

/// How often health is looked at for the listener.
const INTERVAL: Duration = Duration::from_secs(5);
/// How long SVIDs may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// Fetches as a workload would that runs as the agent itself: healthy is who gives it its SVIDs, or says that there are none
/// for it.
pub(crate) async fn probe(core: &Arc<Core>) -> Result<(), Status> {
    if !core.settings.workload_api {
        return Ok(());
    }
    if !core.progress.borrow().serving {
        return Err(Status::unavailable("the Workload API is not served yet"));
    }
    let own = UnixPeer::own().map_err(|error| Status::internal(error.to_string()))?;
    let known = core.attestation.attest(&own).await;
    let selectors = known.map_err(|_| Status::unavailable("workload attestation failed"))?.selectors;
    let mut state = core.cache.subscribe();
    let mine = core.cache.snapshot().matching(&selectors);
    let _demand = core.cache.demand(&mine);
    let fetched = state.wait_for(|snapshot| {
        snapshot.matching(&selectors).iter().all(|identity| identity.svid.is_some()) && snapshot.own_bundle().is_some()
    });
    match core.clock.timeout(PATIENCE, fetched).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) => Err(Status::unavailable("agent is shutting down")),
        Err(_) => Err(Status::deadline_exceeded("X509-SVIDs did not come in time")),
    }
}

/// What was seen last, for the listener.
pub(crate) struct Health(RwLock<Seen>);

struct Seen {
    ready: Result<(), String>,
    /// An agent that does not serve yet lives all the same.
    live: bool,
}

impl Default for Health {
    fn default() -> Self {
        Self(RwLock::new(Seen { ready: Err("health was not looked at yet".to_owned()), live: true }))
    }
}

impl Health {
    /// Looks again and again until the shutdown.
    pub(crate) async fn keep(self: Arc<Self>, core: Arc<Core>, shutdown: Shutdown) -> Result<(), String> {
        let mut progress = core.progress.subscribe();
        loop {
            let Some(seen) = shutdown.until(probe(&core)).await else { break };
            let live = seen.is_ok() || !core.progress.borrow().serving;
            *self.0.write() = Seen { ready: seen.map_err(|status| steeple_client::describe(&status)), live };
            let rest = async {
                tokio::select! {
                    () = core.clock.sleep(INTERVAL) => {}
                    _ = progress.wait_for(|progress| progress.serving), if !core.progress.borrow().serving => {}
                }
            };
            if shutdown.until(rest).await.is_none() {
                break;
            }
        }
        debug!(subsystem_name = "health", "Finishing health checker");
        Ok(())
    }

    /// What the listener answers.
    pub(crate) fn answer(&self, settings: &HealthSettings, path: &str) -> web::Answer {
        if path != settings.live_path && path != settings.ready_path {
            return web::Answer::plain(StatusCode::NOT_FOUND);
        }
        let seen = self.0.read();
        let details = match &seen.ready {
            Ok(()) => serde_json::json!({ "agent": {} }),
            Err(reason) => serde_json::json!({ "agent": { "make_new_x509_err": reason } }),
        };
        let healthy = seen.ready.is_ok() || (seen.live && path == settings.live_path);
        let status = if healthy { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
        web::Answer { status, content_type: "application/json", body: format!("{details}\n") }
    }
}
