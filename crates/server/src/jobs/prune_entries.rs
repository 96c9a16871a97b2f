//! Removes entries that have expired, every five minutes.

use std::sync::Arc;
use std::time::Duration;

use steeple_runtime::Shutdown;
use steeple_store::units::PruneEntries;
use tracing::{error, info};

use super::may_prune;
use crate::core::Core;

const INTERVAL: Duration = Duration::from_mins(5);

pub(crate) async fn prune_entries(core: Arc<Core>, shutdown: Shutdown) -> Result<(), String> {
    while shutdown.until(core.clock.sleep(INTERVAL)).await.is_some() {
        let expired_before = core.clock.now();
        let expired = core.store.read("registration_entry.list", move |tx| tx.entries_expired_before(expired_before));
        if expired.await.is_ok_and(|expired| expired.is_empty()) || !may_prune(&core, "entries").await {
            continue;
        }
        match core.store.write(PruneEntries { expired_before }).await {
            Ok(written) => {
                for entry in written.value {
                    info!(
                        parent_id = %entry.parent_id,
                        registration_id = %entry.id,
                        spiffe_id = %entry.spiffe_id,
                        "Pruned an expired registration"
                    );
                }
            }
            Err(error) => error!(%error, "Failed pruning registration entries"),
        }
    }
    Ok(())
}
