//! Asks the upstream authority for the bundle of the trust domain, every five seconds, and tells when it is another.

use std::sync::Arc;
use std::time::Duration;

use steeple_clock::Clock;
use steeple_plugin::UpstreamAuthority;
use steeple_runtime::Shutdown;
use steeple_types::Bundle;
use tokio::sync::watch;
use tracing::warn;

const INTERVAL: Duration = Duration::from_secs(5);

pub(crate) async fn follow_upstream(
    upstream: Arc<dyn UpstreamAuthority>,
    told: watch::Sender<Option<Bundle>>,
    clock: Clock,
    shutdown: Shutdown,
) -> Result<(), String> {
    while let Some(answer) = shutdown.until(upstream.bundle()).await {
        match answer {
            Ok(Some(bundle)) => {
                told.send_if_modified(|known| {
                    let is_news = known.as_ref().is_none_or(|known| !known.has_the_authorities_of(&bundle));
                    if is_news {
                        *known = Some(bundle);
                    }
                    is_news
                });
            }
            Ok(None) => break,
            Err(error) => warn!(%error, plugin_name = upstream.name(), "Failed to fetch bundle while polling"),
        }
        if shutdown.until(clock.sleep(INTERVAL)).await.is_none() {
            break;
        }
    }
    Ok(())
}
