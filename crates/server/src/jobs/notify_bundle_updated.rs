//! Tells a notifier each change of the own bundle, until it has taken it.

use std::sync::Arc;
use std::time::Duration;

use steeple_crypto::random;
use steeple_plugin::Notifier;
use steeple_runtime::{Backoff, Shutdown};
use tracing::{debug, warn};

use crate::publishing::{DEADLINE, News};

/// First and longest pause after a failure.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));

pub(crate) async fn notify_bundle_updated(
    notifier: Arc<dyn Notifier>,
    mut news: News,
    shutdown: Shutdown,
) -> Result<(), String> {
    let (event, name) = ("bundle updated", notifier.name());
    let mut backoff = Backoff::new(RETRY.0, 2.0, RETRY.1);
    let mut pause = None;
    while news.wait(pause, &shutdown).await {
        let told = news.clock.timeout(DEADLINE, notifier.bundle_updated(news.own.as_ref()));
        let Some(told) = shutdown.until(told).await else { break };
        let told = told.map_err(|late| late.to_string()).and_then(|told| told.map_err(|error| error.to_string()));
        pause = match told {
            Ok(()) => {
                debug!(event, notifier = name, subsystem_name = "ca_manager", "Notifier handled event");
                backoff.reset();
                None
            }
            Err(error) => {
                warn!(error, event, notifier = name, subsystem_name = "ca_manager", "Notifier failed to handle event");
                Some(backoff.pause(random::fraction()))
            }
        };
    }
    Ok(())
}
