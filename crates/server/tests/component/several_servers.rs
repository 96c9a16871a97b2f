//! Several servers on one datastore.

use std::time::Duration;

use jiff::Timestamp;
use steeple_clock::ManualClock;
use steeple_net::Answers;
use steeple_proto::spire::api::server::bundle::v1::GetBundleRequest;
use steeple_proto::spire::api::server::entry::v1::GetAuthorizedEntriesRequest;
use steeple_proto::spire::api::types::permission_denied_details::Reason;
use steeple_store::units::{BanNode, CreateEntry, DeleteNode, SetBundle, TellServerState};
use steeple_store::{ServerState, Store, StoreError, Unit, WriteTx};
use steeple_types::{Bundle, Entry, EntryId, SpiffeId, TrustDomain};

use crate::bench::{Agent, Bench, Calls, reason, serve};

/// Jobs that sleep while nothing happens.
const SLEEPERS: usize = 9;
/// How often a server looks for what others have written.
const LOOK: Duration = Duration::from_millis(250);

/// Lets a server look a few times: it has then told its own state, a write by which it would learn of others too.
async fn settle(hand: &ManualClock) {
    for _ in 0..4 {
        hand.wait_for_sleepers(SLEEPERS).await;
        hand.advance(LOOK);
    }
    hand.wait_for_sleepers(SLEEPERS).await;
}

/// Lets a server look until `is_so`.
async fn look_until(hand: &ManualClock, pause: Duration, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        hand.wait_for_sleepers(SLEEPERS).await;
        if is_so().await {
            return;
        }
        hand.advance(pause);
    }
    assert!(is_so().await, "it did not come to be so");
}

fn entry_below(agent: &Agent, name: &str) -> Entry {
    let id = |path: &str| SpiffeId::parse(&format!("spiffe://example.org{path}")).unwrap();
    let selectors = ["unix:uid:1".parse().unwrap()].into_iter().collect();
    let entry_id = EntryId::parse(name).unwrap();
    Entry::new(entry_id, id(&format!("/{name}")), id(&agent.id.path), selectors, Timestamp::UNIX_EPOCH)
}

/// Whether the agent that calls may have the entry `id`.
async fn is_authorized(calls: &Calls<impl Answers>, id: &str) -> bool {
    let request = GetAuthorizedEntriesRequest::default();
    let answer = calls.entry().get_authorized_entries(request).await.unwrap().into_inner();
    answer.entries.iter().any(|entry| entry.id == id)
}

fn node_of(agent: &Agent) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://example.org{}", agent.id.path)).unwrap()
}

#[tokio::test]
async fn servers_have_authorities_of_their_own_in_one_bundle() {
    let first = Bench::new().await;
    let second = first.beside().await;
    let authorities = async |bench: &Bench| {
        let bundle = bench.local().bundle().get_bundle(GetBundleRequest::default()).await.unwrap().into_inner();
        (bundle.x509_authorities.len(), bundle.jwt_authorities.len())
    };
    assert_eq!((authorities(&first).await, authorities(&second).await), ((2, 2), (2, 2)));
    let journals = async |store: Store| store.read("test", |tx| tx.ca_journals()).await.unwrap();
    let before = journals(first.store.clone()).await;
    assert_eq!(before.len(), 2);
    // Journals and the bundle are looked through; what the other server signs with stays.
    let (store, hand) = (first.other_server(), first.hand.clone());
    let first = {
        let Bench { server, .. } = first;
        server
    };
    serve(first, async {
        hand.wait_for_sleepers(SLEEPERS).await;
        hand.advance(Duration::from_hours(8));
        hand.wait_for_sleepers(SLEEPERS).await;
    })
    .await;
    assert_eq!(journals(store).await, before);
    assert_eq!(authorities(&second).await, (2, 2));
}

#[tokio::test]
async fn entries_of_another_server_are_given_out() {
    let bench = Bench::new().await;
    let agent = bench.agent().await;
    let (calls, other, hand) = (bench.remote(&agent.chain), bench.other_server(), bench.hand.clone());
    serve(bench.server, async {
        settle(&hand).await;
        other.write(CreateEntry { entry: entry_below(&agent, "w") }).await.unwrap();
        look_until(&hand, LOOK, async || is_authorized(&calls, "w").await).await;
    })
    .await;
}

#[tokio::test]
async fn agents_that_another_server_bans_or_evicts_are_refused() {
    let bench = Bench::new().await;
    let (banned, evicted) = (bench.agent().await, bench.agent().await);
    let calls = [bench.remote(&banned.chain), bench.remote(&evicted.chain)];
    let (other, hand) = (bench.other_server(), bench.hand.clone());
    serve(bench.server, async {
        settle(&hand).await;
        other.write(BanNode { id: node_of(&banned) }).await.unwrap();
        other.write(DeleteNode { id: node_of(&evicted) }).await.unwrap();
        let expected = [Some(Reason::AgentBanned), Some(Reason::AgentNotAttested)];
        for (calls, expected) in calls.iter().zip(expected) {
            look_until(&hand, LOOK, async || {
                let answer = calls.entry().get_authorized_entries(GetAuthorizedEntriesRequest::default()).await;
                answer.is_err_and(|status| reason(&status) == expected)
            })
            .await;
        }
    })
    .await;
}

/// A write that nobody is told of, as by hand.
struct Untold {
    entry: Entry,
}

impl Unit for Untold {
    type Output = ();
    const NAME: &'static str = "test";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<(), StoreError> {
        tx.insert_entry(&self.entry)
    }
}

#[tokio::test]
async fn index_that_missed_something_is_filled_anew() {
    let interval = Duration::from_mins(1);
    let bench = Bench::with(|settings| settings.following.full_reload_interval = interval).await;
    let agent = bench.agent().await;
    let (calls, other, hand) = (bench.remote(&agent.chain), bench.other_server(), bench.hand.clone());
    let counted = bench.counted.clone();
    serve(bench.server, async {
        let has_it = async || is_authorized(&calls, "w").await;
        hand.wait_for_sleepers(SLEEPERS).await;
        other.write(Untold { entry: entry_below(&agent, "w") }).await.unwrap();
        for _ in 0..4 {
            hand.advance(LOOK);
            hand.wait_for_sleepers(SLEEPERS).await;
        }
        assert!(!has_it().await && counted.events("steeple_index_differed") == 0);
        look_until(&hand, interval, has_it).await;
        assert_eq!(counted.events("steeple_index_differed"), 1);
    })
    .await;
}

/// The deletion of a bundle with its entries, as Go SPIRE does it: without an event.
struct DeleteQuietly {
    trust_domain: TrustDomain,
    entry: EntryId,
}

impl Unit for DeleteQuietly {
    type Output = ();
    const NAME: &'static str = "test";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<(), StoreError> {
        tx.remove_entry(&self.entry)?;
        tx.remove_bundle(&self.trust_domain)
    }
}

#[tokio::test]
async fn entries_that_go_with_a_bundle_are_missed_by_nobody() {
    let bench = Bench::new().await;
    let agent = bench.agent().await;
    let (calls, other, hand) = (bench.remote(&agent.chain), bench.other_server(), bench.hand.clone());
    serve(bench.server, async {
        let has_it = async || is_authorized(&calls, "w").await;
        hand.wait_for_sleepers(SLEEPERS).await;
        let trust_domain = TrustDomain::from_name("a.test").unwrap();
        other.write(SetBundle { bundle: Bundle::empty(trust_domain.clone()) }).await.unwrap();
        let entry = Entry { federates_with: vec![trust_domain.clone()], ..entry_below(&agent, "w") };
        let id = entry.id.clone();
        other.write(CreateEntry { entry }).await.unwrap();
        look_until(&hand, LOOK, has_it).await;
        other.write(DeleteQuietly { trust_domain, entry: id }).await.unwrap();
        look_until(&hand, Duration::from_secs(10), async || !has_it().await).await;
    })
    .await;
}

#[tokio::test]
async fn server_that_differs_for_a_while_is_told() {
    let bench = Bench::new().await;
    let agent = bench.agent().await;
    let (other, hand, counted) = (bench.other_server(), bench.hand.clone(), bench.counted.clone());
    serve(bench.server, async {
        hand.wait_for_sleepers(SLEEPERS).await;
        let revision = other.write(CreateEntry { entry: entry_below(&agent, "w") }).await.unwrap().revision;
        let tell = async |hash: String| {
            let (instance, name) = ("other".to_owned(), "host".to_owned());
            let state = ServerState { instance, name, revision, hash, told_at: bench.clock.now() };
            other.write(TellServerState { state, gone_since: Timestamp::UNIX_EPOCH }).await.unwrap();
        };
        let states = async || other.read("test", |tx| tx.server_states()).await.unwrap();
        tell("00".repeat(32)).await;
        // This server tells its own state once it knows of the other.
        let own =
            async || states().await.into_iter().find(|state| state.instance != "other" && state.revision == revision);
        look_until(&hand, LOOK, async || own().await.is_some()).await;
        look_until(&hand, LOOK, async || counted.events("steeple_states_differ") > 0).await;
        assert_eq!(counted.events("steeple_index_differed"), 0, "this one was right");
        // One that has the same state is not told.
        tell(own().await.unwrap().hash).await;
        for _ in 0..8 {
            hand.advance(Duration::from_secs(5));
            hand.wait_for_sleepers(SLEEPERS).await;
        }
        let told = counted.events("steeple_states_differ");
        for _ in 0..8 {
            hand.advance(Duration::from_secs(5));
            hand.wait_for_sleepers(SLEEPERS).await;
        }
        assert_eq!(counted.events("steeple_states_differ"), told);
    })
    .await;
}
