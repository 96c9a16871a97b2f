//! What workloads are answered from: entries, their X.509-SVIDs, and bundles, as one state that changes as a whole.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use parking_lot::Mutex;
use steeple_types::{Bundle, Entry, EntryId, Selector, TrustDomain};
use tokio::sync::watch;
use tracing::debug;
use zeroize::Zeroizing;

use crate::sync::{Bundles, Entries};

/// An X.509-SVID with its key.
pub(crate) struct X509Identity {
    /// The certificates, DER, leaf first.
    pub(crate) chain: Vec<Vec<u8>>,
    /// The key, PKCS#8 DER.
    pub(crate) key: Zeroizing<Vec<u8>>,
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    /// Revision of the entry that it was issued for.
    pub(crate) revision_number: i64,
    /// When that entry was created: an entry made anew under an old ID is another one.
    pub(crate) created_at: Timestamp,
}

/// An entry with its X.509-SVID, if there is one.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) entry: Arc<Entry>,
    pub(crate) svid: Option<Arc<X509Identity>>,
}

/// One state of the cache.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) trust_domain: TrustDomain,
    pub(crate) identities: BTreeMap<EntryId, Identity>,
    pub(crate) bundles: Bundles,
}

impl Snapshot {
    /// The identities of a workload with these selectors, in the order of their entries' IDs.
    pub(crate) fn matching(&self, selectors: &[Selector]) -> Vec<Identity> {
        let has_all = |entry: &Entry| entry.selectors.iter().all(|selector| selectors.contains(selector));
        let mine = self.identities.values().filter(|identity| !identity.entry.store_svid && has_all(&identity.entry));
        mine.cloned().collect()
    }

    /// The bundle of the own trust domain.
    pub(crate) fn own_bundle(&self) -> Option<&Arc<Bundle>> {
        self.bundles.get(&self.trust_domain)
    }

    /// The bundles that `identities` federate with.
    pub(crate) fn federated(&self, identities: &[Identity]) -> BTreeMap<TrustDomain, Arc<Bundle>> {
        let wanted = identities.iter().flat_map(|identity| &identity.entry.federates_with);
        wanted.filter_map(|td| Some((td.clone(), Arc::clone(self.bundles.get(td)?)))).collect()
    }

    pub(crate) fn entries(&self) -> Entries {
        self.identities.iter().map(|(id, identity)| (id.clone(), Arc::clone(&identity.entry))).collect()
    }

    pub(crate) fn svid_count(&self) -> usize {
        self.identities.values().filter(|identity| identity.svid.is_some()).count()
    }
}

/// The cache: one writer, the sync loop, and many readers.
pub(crate) struct Cache {
    state: watch::Sender<Arc<Snapshot>>,
    limit: usize,
    demand: Mutex<HashMap<EntryId, Demand>>,
    tick: AtomicU64,
    /// Wakes the sync loop when somebody waits for an SVID that is not there.
    wanted: tokio::sync::Notify,
}

/// Who asks for an SVID.
#[derive(Clone, Copy, Default)]
struct Demand {
    subscribers: usize,
    last_used: u64,
}

impl Cache {
    pub(crate) fn new(trust_domain: TrustDomain, bundles: Bundles, limit: usize) -> Self {
        let snapshot = Snapshot { trust_domain, identities: BTreeMap::new(), bundles };
        Self {
            state: watch::Sender::new(Arc::new(snapshot)),
            limit,
            demand: Mutex::default(),
            tick: AtomicU64::new(1),
            wanted: tokio::sync::Notify::new(),
        }
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.state.borrow())
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.state.subscribe()
    }

    /// Waits until somebody asks for an SVID that is not there.
    pub(crate) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// Takes over what the server told. SVIDs stay with their entries.
    pub(crate) fn take_over(&self, entries: &Entries, bundles: Bundles) {
        self.state.send_if_modified(|state| {
            let same_bundles = state.bundles == bundles;
            let known = |(id, entry): (&EntryId, &Arc<Entry>)| {
                state.identities.get(id).is_some_and(|identity| identity.entry == *entry)
            };
            if same_bundles && state.identities.len() == entries.len() && entries.iter().all(known) {
                return false;
            }
            let keep = |(id, entry): (&EntryId, &Arc<Entry>)| {
                let old = state.identities.get(id);
                // An entry that gives another ID now is another identity.
                let svid = old.filter(|old| old.entry.spiffe_id == entry.spiffe_id).and_then(|old| old.svid.clone());
                (id.clone(), Identity { entry: Arc::clone(entry), svid })
            };
            let identities = entries.iter().map(keep).collect();
            *state = Arc::new(Snapshot { trust_domain: state.trust_domain.clone(), identities, bundles });
            true
        });
    }

    /// Takes over what a server told that took the place of another: SVIDs of before are of no use any more.
    pub(crate) fn begin_anew(&self, entries: &Entries, bundles: Bundles) {
        let without_svid =
            |(id, entry): (&EntryId, &Arc<Entry>)| (id.clone(), Identity { entry: Arc::clone(entry), svid: None });
        let identities = entries.iter().map(without_svid).collect();
        self.state.send_modify(|state| {
            *state = Arc::new(Snapshot { trust_domain: state.trust_domain.clone(), identities, bundles });
        });
    }

    /// Puts renewed SVIDs in their places, and drops those that have expired or are kept by nobody.
    pub(crate) fn put(&self, renewed: Vec<(EntryId, X509Identity)>, now: Timestamp) {
        let kept = self.kept();
        self.state.send_if_modified(|state| {
            let dead = |(id, identity): (&EntryId, &Identity)| {
                let Some(svid) = &identity.svid else { return false };
                svid.expires_at <= now || !kept.contains(id)
            };
            let drop: Vec<EntryId> =
                state.identities.iter().filter(|pair| dead(*pair)).map(|(id, _)| id.clone()).collect();
            if renewed.is_empty() && drop.is_empty() {
                return false;
            }
            let mut next = Snapshot::clone(state);
            for id in drop {
                if let Some(identity) = next.identities.get_mut(&id) {
                    identity.svid = None;
                }
            }
            for (id, svid) in renewed {
                if let Some(identity) = next.identities.get_mut(&id) {
                    let spiffe_id = &identity.entry.spiffe_id;
                    debug!(entry = %id, %spiffe_id, subsystem_name = "cache_manager", "SVID updated");
                    identity.svid = Some(Arc::new(svid));
                }
            }
            *state = Arc::new(next);
            true
        });
    }

    /// When the next SVID expires.
    pub(crate) fn first_expiry(&self) -> Option<Timestamp> {
        let snapshot = self.snapshot();
        snapshot.identities.values().filter_map(|identity| identity.svid.as_ref()).map(|svid| svid.expires_at).min()
    }

    /// The entries whose SVIDs are to be kept: those that somebody subscribes to, then the others, last used first, up to the
    /// limit.
    pub(crate) fn kept(&self) -> HashSet<EntryId> {
        let snapshot = self.snapshot();
        let mut demand = self.demand.lock();
        demand.retain(|id, _| snapshot.identities.contains_key(id));
        let of = |id: &EntryId| demand.get(id).copied().unwrap_or_default();
        let mut candidates: Vec<(&EntryId, Demand)> = snapshot
            .identities
            .iter()
            .map(|(id, identity)| (identity, id, of(id)))
            .filter(|(identity, _, demand)| {
                demand.subscribers > 0 || identity.svid.is_some() || !identity.entry.disable_x509_svid_prefetch
            })
            .map(|(_, id, demand)| (id, demand))
            .collect();
        // What is there stays before what would have to be fetched.
        let absent = |id: &EntryId| snapshot.identities.get(id).is_none_or(|identity| identity.svid.is_none());
        candidates
            .sort_by_key(|(id, demand)| (demand.subscribers == 0, std::cmp::Reverse(demand.last_used), absent(id)));
        let subscribed = candidates.iter().take_while(|(_, demand)| demand.subscribers > 0).count();
        candidates.truncate(self.limit.max(subscribed));
        candidates.into_iter().map(|(id, _)| id.clone()).collect()
    }

    /// Says that a workload uses the SVIDs of `identities`, until the returned guard goes.
    pub(crate) fn demand(self: &Arc<Self>, identities: &[Identity]) -> DemandGuard {
        let tick = self.tick.fetch_add(1, Ordering::Relaxed);
        let mut demand = self.demand.lock();
        for identity in identities {
            let entry = demand.entry(identity.entry.id.clone()).or_default();
            entry.subscribers += 1;
            entry.last_used = tick;
        }
        drop(demand);
        if identities.iter().any(|identity| identity.svid.is_none()) {
            self.wanted.notify_one();
        }
        let entries = identities.iter().map(|identity| identity.entry.id.clone()).collect();
        DemandGuard { cache: Arc::clone(self), entries }
    }
}

/// Holds the demand of one stream.
pub(crate) struct DemandGuard {
    cache: Arc<Cache>,
    entries: Vec<EntryId>,
}

impl Drop for DemandGuard {
    fn drop(&mut self) {
        let mut demand = self.cache.demand.lock();
        for id in &self.entries {
            if let Some(demand) = demand.get_mut(id) {
                demand.subscribers = demand.subscribers.saturating_sub(1);
            }
        }
    }
}
