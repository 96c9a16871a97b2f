//! Keeps the bundles at hand by which the network listener verifies clients, and tells when the own one changes.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use steeple_clock::Clock;
use steeple_runtime::Shutdown;
use steeple_store::{Store, StoreError};
use steeple_types::{Bundle, TrustDomain};
use tracing::error;

use crate::publishing::OwnChanges;

/// How often bundles are read although nothing was written here, since other servers write them too.
const RELOAD: Duration = Duration::from_secs(10);
/// How long to wait after a failure.
const RETRY: Duration = Duration::from_secs(1);

/// The bundles of `trust_domains`.
pub(crate) async fn load_bundles(store: &Store, trust_domains: Vec<TrustDomain>) -> Result<Vec<Bundle>, StoreError> {
    let load = store.read("bundle.fetch", move |tx| {
        let mut bundles = Vec::new();
        for trust_domain in &trust_domains {
            bundles.extend(tx.bundle(trust_domain)?);
        }
        Ok(bundles)
    });
    load.await
}

/// Reads them anew after each write, and every ten seconds.
pub(crate) async fn follow_bundles(
    store: Store,
    trust_domains: Vec<TrustDomain>,
    bundles: Arc<RwLock<Vec<Bundle>>>,
    own: OwnChanges,
    clock: Clock,
    shutdown: Shutdown,
) -> Result<(), String> {
    let mut revisions = store.revisions();
    loop {
        let told = async {
            tokio::select! {
                changed = revisions.changed() => changed.is_ok(),
                () = clock.sleep(RELOAD) => true,
            }
        };
        if shutdown.until(told).await != Some(true) {
            return Ok(());
        }
        match load_bundles(&store, trust_domains.clone()).await {
            Ok(loaded) => {
                own.tell(&loaded);
                *bundles.write() = loaded;
            }
            Err(error) => {
                error!(%error, "Unable to read bundles");
                revisions.mark_changed();
                clock.sleep(RETRY).await;
            }
        }
    }
}
