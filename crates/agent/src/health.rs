//! Whether the agent is healthy: whether a workload gets an answer from it.
//!
//! An agent without its server goes on serving what it has. It stays live and ready, since a start would take that away, and says
//! that it is `degraded`.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use parking_lot::RwLock;
use serde_json::json;
use steeple_config::HealthSettings;
use steeple_explain::Trouble;
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
    /// Why the server is not heard, while what the agent has is served.
    degraded: Option<Trouble>,
    /// Whether it ever was ready.
    started: bool,
    /// An agent that does not serve yet lives all the same.
    live: bool,
}

impl Default for Health {
    fn default() -> Self {
        Self(RwLock::new(Seen {
            ready: Err("health was not looked at yet".to_owned()),
            degraded: None,
            started: false,
            live: true,
        }))
    }
}

impl Health {
    /// Looks again and again until the shutdown.
    pub(crate) async fn keep(self: Arc<Self>, core: Arc<Core>, shutdown: Shutdown) -> Result<(), String> {
        let mut progress = core.progress.subscribe();
        loop {
            let Some(seen) = shutdown.until(probe(&core)).await else { break };
            let live = seen.is_ok() || !core.progress.borrow().serving;
            self.keep_in_mind(seen.map_err(|status| steeple_client::describe(&status)), core.troubles.sync(), live);
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

    fn keep_in_mind(&self, ready: Result<(), String>, degraded: Option<Trouble>, live: bool) {
        let mut seen = self.0.write();
        let started = seen.started || ready.is_ok();
        *seen = Seen { ready, degraded, started, live };
    }

    /// What the listener answers.
    pub(crate) fn answer(&self, settings: &HealthSettings, path: &str) -> web::Answer {
        let seen = self.0.read();
        let healthy = if path == settings.live_path {
            seen.ready.is_ok() || seen.live
        } else if path == settings.ready_path {
            seen.ready.is_ok()
        } else if path == settings.startup_path {
            seen.started
        } else {
            return web::Answer::plain(StatusCode::NOT_FOUND);
        };
        let details = match (&seen.ready, &seen.degraded) {
            (Ok(()), None) => json!({ "agent": {} }),
            (Ok(()), Some(Trouble { at, text })) => {
                json!({ "agent": { "state": "degraded", "sync_err": text, "since": at.to_string() } })
            }
            (Err(reason), _) => json!({ "agent": { "make_new_x509_err": reason } }),
        };
        let status = if healthy { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
        web::Answer { status, content_type: "application/json", body: format!("{details}\n") }
    }
}
