//! Hands the own bundle to a publisher: at the start, when it changes, and every thirty seconds, since other servers change it
//! too.

use std::sync::Arc;
use std::time::Duration;

use steeple_crypto::random;
use steeple_plugin::BundlePublisher;
use steeple_runtime::{Backoff, Shutdown};
use tracing::error;

use crate::publishing::{DEADLINE, News};

const INTERVAL: Duration = Duration::from_secs(30);
/// First pause after a failure.
const RETRY: Duration = Duration::from_secs(1);

pub(crate) async fn publish_bundle(
    publisher: Arc<dyn BundlePublisher>,
    mut news: News,
    shutdown: Shutdown,
) -> Result<(), String> {
    let mut backoff = Backoff::new(RETRY, 2.0, INTERVAL);
    loop {
        let attempt = news.clock.timeout(DEADLINE, publish(publisher.as_ref(), &news));
        let Some(published) = shutdown.until(attempt).await else { return Ok(()) };
        let pause = match published.unwrap_or_else(|late| Err(late.to_string())) {
            Ok(()) => {
                backoff.reset();
                INTERVAL
            }
            Err(error) => {
                let name = publisher.name();
                error!(BundlePublisher = name, error, subsystem_name = "bundle_publishing", "Failed to publish bundle");
                backoff.pause(random::fraction())
            }
        };
        if !news.wait(Some(pause), &shutdown).await {
            return Ok(());
        }
    }
}

async fn publish(publisher: &dyn BundlePublisher, news: &News) -> Result<(), String> {
    let bundle = news.own.read().await?;
    publisher.publish_bundle(&bundle).await.map_err(|error| error.to_string())
}
