//! Watches for objects that bear a label, so that those made or changed between changes of the bundle have it too.

use std::pin::pin;
use std::time::Duration;

use futures::TryStreamExt;
use kube::ResourceExt;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use steeple_clock::Clock;
use steeple_crypto::random;
use steeple_k8s::{ApiServer, said};
use steeple_plugin::IdentityProvider;
use steeple_runtime::{Backoff, Shutdown};
use tracing::{debug, error, warn};

use super::NAME;
use super::carrier::Carrier;
use super::update::{carrier, selector};

/// How long the server holds a watch open; all objects are looked at again after it.
const WATCH_SECONDS: u32 = 290;
/// When a watch that should have ended counts as lost.
const LOST: Duration = Duration::from_mins(5);

/// What following takes.
pub(super) struct With<'a> {
    pub(super) api_server: &'a ApiServer,
    pub(super) identity: &'a dyn IdentityProvider,
    pub(super) clock: &'a Clock,
    pub(super) shutdown: &'a Shutdown,
}

/// Keeps the bundle in all objects that bear `label`, until the shutdown.
pub(super) async fn labelled<K: Carrier>(label: Option<&str>, with: &With<'_>) {
    let Some(label) = label else { return };
    let mut backoff = Backoff::new(Duration::from_secs(1), 2.0, Duration::from_mins(1));
    loop {
        let watched = with.clock.timeout(LOST, watch::<K>(label, with));
        match with.shutdown.until(watched).await {
            None => return,
            Some(Ok(Ok(()))) => backoff.reset(),
            Some(Ok(Err(error))) => warn!(
                error,
                external = false,
                plugin_name = NAME,
                plugin_type = "Notifier",
                resource = %K::plural(&()),
                subsystem_name = "catalog",
                "Unable to watch objects"
            ),
            Some(Err(_lost)) => {}
        }
        if with.shutdown.until(with.clock.sleep(backoff.pause(random::fraction()))).await.is_none() {
            return;
        }
    }
}

/// Looks at all objects, then at each that changes, until the server lets go.
async fn watch<K: Carrier>(label: &str, with: &With<'_>) -> Result<(), String> {
    let client = with.api_server.connect_to_watch().await.map_err(|error| error.to_string())?;
    let api = Api::<K>::all(client);
    let found = api.list(&ListParams::default().labels(&selector(label))).await.map_err(|error| said(&error))?;
    let version = found.metadata.resource_version.clone().unwrap_or_default();
    for object in found {
        set(&api, object, with.identity).await;
    }
    let params = WatchParams::default().labels(&selector(label)).timeout(WATCH_SECONDS);
    let mut events = pin!(api.watch(&params, &version).await.map_err(|error| said(&error))?);
    while let Some(event) = events.try_next().await.map_err(|error| said(&error))? {
        match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => set(&api, object, with.identity).await,
            WatchEvent::Deleted(_) | WatchEvent::Bookmark(_) => {}
            WatchEvent::Error(status) => return Err(status.message.clone()),
        }
    }
    Ok(())
}

async fn set<K: Carrier>(api: &Api<K>, object: K, identity: &dyn IdentityProvider) {
    let name = object.name_any();
    match carrier(api, object, identity).await {
        Ok(false) => {}
        Ok(true) => debug!(
            external = false,
            name,
            plugin_name = NAME,
            plugin_type = "Notifier",
            subsystem_name = "catalog",
            "Set bundle for object"
        ),
        Err(error) => error!(
            error,
            external = false,
            name,
            plugin_name = NAME,
            plugin_type = "Notifier",
            subsystem_name = "catalog",
            "Unable to set bundle for object"
        ),
    }
}
