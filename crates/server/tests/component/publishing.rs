//! The own bundle on its way to publishers and notifiers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use steeple_clock::{Clock, ManualClock};
use steeple_plugin::{BundlePublisher, ErrorClass, IdentityProvider, Notifier, PluginError};
use steeple_runtime::Shutdown;
use steeple_store::units::{AppendBundle, CreateJoinToken};
use steeple_store::{JoinToken, Store};
use steeple_types::{Bundle, JwtAuthority, TrustDomain};
use tokio::sync::watch;

use crate::bench::{Bench, at};

/// Takes bundles, but for the first calls that it is to fail.
#[derive(Default)]
struct Taker {
    failures: Mutex<u32>,
    /// How often it was asked, and how many JWT authorities it was last given.
    taken: watch::Sender<(u32, usize)>,
    loaded: Mutex<Option<usize>>,
}

impl Taker {
    fn failing(times: u32) -> Arc<Self> {
        Arc::new(Self { failures: Mutex::new(times), ..Self::default() })
    }

    fn take(&self, bundle: &Bundle) -> Result<(), PluginError> {
        self.taken.send_modify(|taken| *taken = (taken.0 + 1, bundle.jwt_authorities.len()));
        let mut failures = self.failures.lock();
        if *failures == 0 {
            return Ok(());
        }
        *failures -= 1;
        Err(PluginError::new("taker", "taker", ErrorClass::Unavailable, "not now"))
    }

    async fn has_taken(&self, times: u32, authorities: usize) {
        self.taken.subscribe().wait_for(|taken| *taken == (times, authorities)).await.unwrap();
    }
}

#[async_trait]
impl BundlePublisher for Taker {
    fn name(&self) -> &'static str {
        "taker"
    }

    async fn publish_bundle(&self, bundle: &Bundle) -> Result<(), PluginError> {
        self.take(bundle)
    }
}

#[async_trait]
impl Notifier for Taker {
    fn name(&self) -> &'static str {
        "taker"
    }

    async fn bundle_loaded(&self, identity: &dyn IdentityProvider) -> Result<(), PluginError> {
        let bundle = identity.bundle().await?;
        *self.loaded.lock() = Some(bundle.jwt_authorities.len());
        if *self.failures.lock() == u32::MAX { self.take(&bundle) } else { Ok(()) }
    }

    async fn bundle_updated(&self, identity: &dyn IdentityProvider) -> Result<(), PluginError> {
        self.take(&identity.bundle().await?)
    }
}

/// Runs a server with this publisher and this notifier while `drive` looks on.
async fn run(publisher: &Arc<Taker>, notifier: &Arc<Taker>, drive: impl AsyncFnOnce(&Store, &ManualClock, &Clock)) {
    let bench = Bench::publishing(vec![publisher.clone()], vec![notifier.clone()]).await.unwrap();
    let (store, hand, clock) = (bench.store.clone(), bench.hand.clone(), bench.clock.clone());
    let shutdown = Shutdown::new();
    let drive = async {
        drive(&store, &hand, &clock).await;
        shutdown.trigger();
    };
    let (ended, ()) = tokio::join!(bench.server.run(shutdown.clone()), drive);
    ended.unwrap();
}

/// Moves the time on, second by second, until it was asked so often.
async fn pass_until(taker: &Taker, times: u32, store: &Store, hand: &ManualClock) {
    while taker.taken.borrow().0 < times {
        hand.advance(Duration::from_secs(1));
        store.read("bundle.fetch", |tx| tx.bundle(&trust_domain())).await.unwrap();
    }
}

async fn grow(store: &Store, key_id: &str) {
    let key = JwtAuthority { key_id: key_id.to_owned(), public_key: vec![1], expires_at: None, tainted: false };
    let unit = AppendBundle { trust_domain: trust_domain(), x509_authorities: Vec::new(), jwt_authorities: vec![key] };
    store.write(unit).await.unwrap();
}

fn trust_domain() -> TrustDomain {
    "example.org".parse().unwrap()
}

#[tokio::test]
async fn bundle_is_published_at_the_start_and_with_each_change() {
    let (publisher, notifier) = (Taker::failing(0), Taker::failing(0));
    run(&publisher, &notifier, async |store, _, _| {
        publisher.has_taken(1, 1).await;
        assert_eq!(*notifier.loaded.lock(), Some(1), "notifiers know it before");
        grow(store, "k2").await;
        publisher.has_taken(2, 2).await;
        notifier.has_taken(1, 2).await;
        // What does not concern the bundle is no news.
        let token = JoinToken { token: "t".into(), expires_at: at(60) };
        store.write(CreateJoinToken { token, entry: None }).await.unwrap();
        grow(store, "k3").await;
        publisher.has_taken(3, 3).await;
        notifier.has_taken(2, 3).await;
    })
    .await;
}

#[tokio::test]
async fn failed_publisher_is_asked_again() {
    let (publisher, notifier) = (Taker::failing(2), Taker::failing(0));
    run(&publisher, &notifier, async |store, hand, clock| {
        publisher.has_taken(1, 1).await;
        pass_until(&publisher, 3, store, hand).await;
        // Then every thirty seconds, for what other servers change.
        let before = clock.now();
        pass_until(&publisher, 4, store, hand).await;
        assert!(clock.now().duration_since(before).as_secs() >= 29, "not at once");
        assert_eq!(notifier.taken.borrow().0, 0, "nothing has changed");
    })
    .await;
}

#[tokio::test]
async fn notifier_is_told_each_change_until_it_has_taken_it() {
    let (publisher, notifier) = (Taker::failing(0), Taker::failing(2));
    run(&publisher, &notifier, async |store, hand, _| {
        publisher.has_taken(1, 1).await;
        grow(store, "k2").await;
        notifier.has_taken(1, 2).await;
        pass_until(&notifier, 3, store, hand).await;
        grow(store, "k3").await;
        notifier.has_taken(4, 3).await;
    })
    .await;
}

#[tokio::test]
async fn server_does_not_start_when_a_notifier_fails() {
    let refused = Bench::publishing(Vec::new(), vec![Taker::failing(0), Taker::failing(u32::MAX)]).await.err();
    let said = "one or more notifiers returned an error: taker(taker): not now";
    assert_eq!(refused.unwrap().to_string(), said);
}
