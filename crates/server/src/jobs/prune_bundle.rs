//! Drops authorities from the own bundle that expired more than a day ago, every six hours.

use std::sync::Arc;
use std::time::Duration;

use steeple_crypto::x509::Certificate;
use steeple_runtime::Shutdown;
use steeple_store::units::PruneBundle;
use tracing::error;

use super::may_prune;
use crate::core::Core;

const INTERVAL: Duration = Duration::from_hours(6);
/// How long an authority stays after its end.
const GRACE: Duration = Duration::from_hours(24);

pub(crate) async fn prune_bundle(core: Arc<Core>, shutdown: Shutdown) -> Result<(), String> {
    while shutdown.until(core.clock.sleep(INTERVAL)).await.is_some() {
        if !may_prune(&core, "bundle").await {
            continue;
        }
        let unit = PruneBundle {
            trust_domain: core.trust_domain().clone(),
            expired_before: core.clock.now() - GRACE,
            x509_expiry: |authority| Certificate::from_der(&authority.certificate).ok().map(|cert| cert.not_after()),
        };
        if let Err(error) = core.store.write(unit).await {
            error!(%error, "Could not prune CA certificates");
        }
    }
    Ok(())
}
