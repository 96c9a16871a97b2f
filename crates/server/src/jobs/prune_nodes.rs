//! Removes nodes whose SVIDs expired long ago, about once an hour, if the configuration asks for it.

use std::sync::Arc;
use std::time::Duration;

use steeple_crypto::random;
use steeple_runtime::Shutdown;
use steeple_store::units::PruneNodes;
use tracing::{error, info};

use super::may_prune;
use crate::core::{Core, PruneNodesSettings};

const INTERVAL: Duration = Duration::from_mins(45);
/// Servers that share a datastore should not prune at the same time.
const JITTER: Duration = Duration::from_mins(30);

pub(crate) async fn prune_nodes(
    core: Arc<Core>,
    settings: PruneNodesSettings,
    shutdown: Shutdown,
) -> Result<(), String> {
    loop {
        let pause = INTERVAL + JITTER.mul_f64(random::fraction());
        if shutdown.until(core.clock.sleep(pause)).await.is_none() {
            return Ok(());
        }
        if !may_prune(&core, "nodes").await {
            continue;
        }
        let unit = PruneNodes {
            expired_before: core.clock.now() - settings.expired_for,
            include_non_reattestable: settings.include_non_reattestable,
            batch_size: settings.batch_size,
        };
        match core.store.write(unit).await {
            Ok(written) => {
                for id in written.value {
                    info!(spiffe_id = %id, "Pruned an expired node");
                }
            }
            Err(error) => error!(%error, "Failed pruning attested nodes"),
        }
    }
}
