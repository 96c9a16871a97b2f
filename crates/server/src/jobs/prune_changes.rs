//! Drops changes and events that every follower has seen.

use std::sync::Arc;

use steeple_runtime::Shutdown;
use steeple_store::units::PruneChanges;
use tracing::{debug, error};

use crate::core::Core;

pub(crate) async fn prune_changes(core: Arc<Core>, shutdown: Shutdown) -> Result<(), String> {
    let keep = core.settings.prune_events_older_than;
    while shutdown.until(core.clock.sleep(keep / 2)).await.is_some() {
        if let Err(error) = core.store.write(PruneChanges { before: core.clock.now() - keep }).await {
            error!(%error, "Failed to prune events");
        }
    }
    debug!(subsystem_name = "endpoints", "Stopping event pruner");
    Ok(())
}
