//! Removes CA journals of servers that are gone, every eight hours.

use std::sync::Arc;
use std::time::Duration;

use steeple_ca::is_stale;
use steeple_runtime::Shutdown;
use steeple_store::units::PruneCaJournals;
use tracing::error;

use super::may_prune;
use crate::core::Core;

const INTERVAL: Duration = Duration::from_hours(8);

pub(crate) async fn prune_ca_journals(core: Arc<Core>, shutdown: Shutdown) -> Result<(), String> {
    while shutdown.until(core.clock.sleep(INTERVAL)).await.is_some() {
        let now = core.clock.now();
        if !may_prune(&core, "CA journals").await {
            continue;
        }
        let unit = PruneCaJournals { is_stale, now };
        if let Err(error) = core.store.write(unit).await {
            error!(%error, "Could not prune CA journals");
        }
    }
    Ok(())
}
