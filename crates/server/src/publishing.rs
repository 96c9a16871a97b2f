//! The own bundle on its way to publishers and notifiers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use steeple_clock::Clock;
use steeple_plugin::{BundlePublisher, ErrorClass, IdentityProvider, Notifier, PluginError};
use steeple_runtime::{OnExit, Shutdown, Supervisor};
use steeple_store::Store;
use steeple_types::{Bundle, TrustDomain};
use tokio::sync::watch;
use tracing::{debug, error};

use crate::jobs;

/// How long a publisher or a notifier may take.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// The bundle of the server's trust domain, as the datastore has it.
pub(crate) struct OwnBundle {
    store: Store,
    trust_domain: TrustDomain,
}

impl OwnBundle {
    pub(crate) async fn read(&self) -> Result<Bundle, String> {
        let trust_domain = self.trust_domain.clone();
        let read = self.store.read("bundle.fetch", move |tx| tx.bundle(&trust_domain)).await;
        let found = read.map_err(|error| format!("failed to fetch bundle from datastore: {error}"))?;
        found.ok_or_else(|| "trust domain bundle is missing".to_owned())
    }
}

#[async_trait]
impl IdentityProvider for OwnBundle {
    async fn bundle(&self) -> Result<Bundle, PluginError> {
        let read = self.read().await;
        read.map_err(|error| PluginError::new("hostservice", "identityprovider", ErrorClass::Unavailable, error))
    }
}

/// Who gets the own bundle, and how they learn that it has changed.
pub(crate) struct Publishing {
    publishers: Vec<Arc<dyn BundlePublisher>>,
    notifiers: Vec<Arc<dyn Notifier>>,
    own: Arc<OwnBundle>,
    /// The newest bundle, none before the first: older ones are of no use to anybody.
    newest: watch::Sender<Option<Bundle>>,
    clock: Clock,
}

impl Publishing {
    /// Nobody gets anything yet.
    pub(crate) fn new(
        publishers: Vec<Arc<dyn BundlePublisher>>,
        notifiers: Vec<Arc<dyn Notifier>>,
        store: &Store,
        trust_domain: &TrustDomain,
        clock: &Clock,
    ) -> Self {
        let own = OwnBundle { store: store.clone(), trust_domain: trust_domain.clone() };
        let (newest, clock) = (watch::Sender::new(None), clock.clone());
        Self { publishers, notifiers, own: Arc::new(own), newest, clock }
    }

    /// Tells notifiers the first bundle, and waits for them.
    pub(crate) async fn bundle_loaded(&self) -> Result<(), String> {
        let told = self.notifiers.iter().map(|notifier| self.tell_loaded(notifier.as_ref()));
        let failures: Vec<String> = join_all(told).await.into_iter().filter_map(Result::err).collect();
        if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
    }

    async fn tell_loaded(&self, notifier: &dyn Notifier) -> Result<(), String> {
        let told = self.clock.timeout(DEADLINE, notifier.bundle_loaded(self.own.as_ref())).await;
        let told = told.map_err(|elapsed| elapsed.to_string()).and_then(|told| told.map_err(|error| error.to_string()));
        let (event, name) = ("bundle loaded", notifier.name());
        match &told {
            Ok(()) => debug!(event, notifier = name, subsystem_name = "ca_manager", "Notifier handled event"),
            Err(error) => {
                error!(error, event, notifier = name, subsystem_name = "ca_manager", "Notifier failed to handle event");
            }
        }
        told
    }

    /// Where the newest bundle is told, by the job that follows bundles.
    pub(crate) fn changes(&self) -> OwnChanges {
        OwnChanges { trust_domain: self.own.trust_domain.clone(), newest: self.newest.clone() }
    }

    /// Follows the own bundle; nothing before the first.
    pub(crate) fn own_bundle(&self) -> watch::Receiver<Option<Bundle>> {
        self.newest.subscribe()
    }

    /// Publishes and notifies from now on.
    pub(crate) fn spawn(&self, supervisor: &Supervisor) {
        let stop = || supervisor.shutdown().clone();
        for publisher in &self.publishers {
            let publish = jobs::publish_bundle(Arc::clone(publisher), self.news(), stop());
            supervisor.spawn(&format!("publish_bundle {}", publisher.name()), OnExit::Log, publish);
        }
        for notifier in &self.notifiers {
            let notify = jobs::notify_bundle_updated(Arc::clone(notifier), self.news(), stop());
            supervisor.spawn(&format!("notify_bundle_updated {}", notifier.name()), OnExit::Log, notify);
            let (following, own, stop) = (Arc::clone(notifier), Arc::clone(&self.own), stop());
            let follow = async move {
                following.follow(own.as_ref(), &stop).await;
                Ok::<_, String>(())
            };
            supervisor.spawn(&format!("follow {}", notifier.name()), OnExit::Log, follow);
        }
    }

    fn news(&self) -> News {
        News { own: Arc::clone(&self.own), changes: self.newest.subscribe(), clock: self.clock.clone() }
    }
}

/// Where changes of the own bundle are told.
pub(crate) struct OwnChanges {
    trust_domain: TrustDomain,
    newest: watch::Sender<Option<Bundle>>,
}

impl OwnChanges {
    /// Tells the own bundle among `bundles`, if it is another than before.
    pub(crate) fn tell(&self, bundles: &[Bundle]) {
        let found = bundles.iter().find(|bundle| bundle.trust_domain == self.trust_domain);
        self.newest.send_if_modified(|newest| {
            let differs = newest.as_ref() != found;
            if differs {
                *newest = found.cloned();
            }
            differs
        });
    }
}

/// What a job waits for and reads.
pub(crate) struct News {
    pub(crate) own: Arc<OwnBundle>,
    changes: watch::Receiver<Option<Bundle>>,
    pub(crate) clock: Clock,
}

impl News {
    /// Waits until the bundle changes, or for `pause` if there is one; tells whether to go on.
    pub(crate) async fn wait(&mut self, pause: Option<Duration>, shutdown: &Shutdown) -> bool {
        let News { changes, clock, .. } = self;
        let woken = async {
            let Some(pause) = pause else { return changes.changed().await.is_ok() };
            tokio::select! {
                changed = changes.changed() => changed.is_ok(),
                () = clock.sleep(pause) => true,
            }
        };
        shutdown.until(woken).await == Some(true)
    }
}
