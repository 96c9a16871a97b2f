//! Follows a collection again and again.

use std::time::Duration;

use serde::de::DeserializeOwned;
use steeple_clock::Clock;
use steeple_k8s::{ApiServer, Change, Collection};
use steeple_runtime::{Backoff, Shutdown};
use tracing::{info, warn};

/// First and longest pause before a collection is listed anew.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// Pause when the API server doesn't let us: permissions change rarely.
const FORBIDDEN: Duration = Duration::from_mins(5);

/// A collection that is to be followed.
pub(super) struct Follow {
    pub(super) collection: Collection,
    /// What it holds, for the log.
    pub(super) what: &'static str,
    /// What is done when it can't be followed, for the log.
    pub(super) otherwise: &'static str,
}

impl Follow {
    /// Hands each change to `take`, and says `lost` when changes may be missed; until `shutdown` is triggered.
    pub(super) async fn run<T: DeserializeOwned>(
        &self,
        api_server: &ApiServer,
        clock: &Clock,
        shutdown: &Shutdown,
        take: impl Fn(Change<T>),
        lost: impl Fn(),
    ) {
        let mut backoff = Backoff::new(PAUSES.0, 2.0, PAUSES.1);
        let mut is_told = false;
        loop {
            let mut was_live = false;
            let ended = self.collection.follow(api_server, clock, |change| {
                if let Change::All(all) = &change {
                    was_live = true;
                    info!(subsystem_name = "k8s", count = all.len(), "Watching {}", self.what);
                }
                take(change);
            });
            let Some(error) = shutdown.until(ended).await else { return };
            lost();
            if was_live {
                (is_told, backoff) = (false, Backoff::new(PAUSES.0, 2.0, PAUSES.1));
            }
            if error.is_expired() && was_live {
                continue;
            }
            // Once is enough until it has worked again.
            if !std::mem::replace(&mut is_told, true) {
                warn!(subsystem_name = "k8s", %error, "Unable to watch {}; {}", self.what, self.otherwise);
            }
            let pause =
                if error.is_forbidden() { FORBIDDEN } else { backoff.pause(steeple_crypto::random::fraction()) };
            if shutdown.until(clock.sleep(pause)).await.is_none() {
                return;
            }
        }
    }
}
