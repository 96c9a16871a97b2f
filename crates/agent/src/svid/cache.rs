//! What workloads are answered from: entries, their X.509-SVIDs, and bundles, as one state that changes as a whole.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use parking_lot::Mutex;
use steeple_crypto::verify::leads_to;
use steeple_crypto::x509::Certificate;
use steeple_explain::Trouble;
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

impl X509Identity {
    /// Whether one of `authorities` is at the upper end of its chain.
    pub(crate) fn comes_from(&self, authorities: &[Certificate]) -> bool {
        let chain: Vec<Certificate> = self.chain.iter().filter_map(|der| Certificate::from_der(der).ok()).collect();
        leads_to(&chain, authorities)
    }
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
    /// Entries whose SVIDs come from a tainted authority: they are given until they are replaced, as soon as possible.
    tainted: Mutex<HashSet<EntryId>>,
    /// Why the server signed no SVID for an entry.
    refused: Mutex<HashMap<EntryId, Trouble>>,
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
            tainted: Mutex::default(),
            refused: Mutex::default(),
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

    /// Has those of the SVIDs of `entries` replaced that come from one of `authorities`; yields how many.
    pub(crate) fn taint(&self, entries: &[EntryId], authorities: &[Certificate]) -> usize {
        let snapshot = self.snapshot();
        let is_tainted = |id: &&EntryId| {
            let svid = snapshot.identities.get(*id).and_then(|identity| identity.svid.as_ref());
            svid.is_some_and(|svid| svid.comes_from(authorities))
        };
        let found: Vec<EntryId> = entries.iter().filter(is_tainted).cloned().collect();
        let count = found.len();
        self.tainted.lock().extend(found);
        count
    }

    /// Says why the server signed no SVID for an entry.
    pub(crate) fn refuse(&self, id: &EntryId, trouble: Trouble) {
        let snapshot = self.snapshot();
        let mut refused = self.refused.lock();
        refused.retain(|id, _| snapshot.identities.contains_key(id));
        refused.insert(id.clone(), trouble);
    }

    /// Why the server signed no SVID for an entry, unless it has since.
    pub(crate) fn refusal(&self, id: &EntryId) -> Option<Trouble> {
        self.refused.lock().get(id).cloned()
    }

    /// Whether the SVID of an entry comes from a tainted authority.
    pub(crate) fn is_tainted(&self, id: &EntryId) -> bool {
        self.tainted.lock().contains(id)
    }

    /// Takes over what a server told that took the place of another: SVIDs of before are of no use any more.
    pub(crate) fn begin_anew(&self, entries: &Entries, bundles: Bundles) {
        let without_svid =
            |(id, entry): (&EntryId, &Arc<Entry>)| (id.clone(), Identity { entry: Arc::clone(entry), svid: None });
        let identities = entries.iter().map(without_svid).collect();
        self.tainted.lock().clear();
        self.state.send_modify(|state| {
            *state = Arc::new(Snapshot { trust_domain: state.trust_domain.clone(), identities, bundles });
        });
    }

    /// Puts renewed SVIDs in their places, and drops those that have expired or are kept by nobody.
    pub(crate) fn put(&self, renewed: Vec<(EntryId, X509Identity)>, now: Timestamp) {
        let kept = self.kept();
        self.refused.lock().retain(|id, _| renewed.iter().all(|(renewed, _)| renewed != id));
        self.tainted.lock().retain(|id| kept.contains(id) && renewed.iter().all(|(renewed, _)| renewed != id));
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

#[cfg(test)]
mod tests {
    use steeple_crypto::keys::{KeyType, PrivateKey};
    use steeple_crypto::x509::{CertificateTemplate, Name, Purpose};
    use steeple_types::SpiffeId;

    use super::*;

    /// A root and a leaf of it, DER.
    fn root_and_leaf() -> (Certificate, Vec<u8>) {
        let (key, name) = (PrivateKey::generate(KeyType::EcP256).unwrap(), Name::of("US", "ROOT"));
        let make = |purpose| {
            let template = CertificateTemplate {
                serial: &[1],
                issuer: &name.to_der(),
                subject: &name,
                not_before: Timestamp::UNIX_EPOCH,
                not_after: Timestamp::UNIX_EPOCH,
                public_key: key.public_key(),
                authority_key_id: &[],
                purpose,
                uris: &[],
                dns_names: &[],
                signature: key.public_key().certificate_signature().unwrap(),
            };
            template.encode().sign(&key).unwrap()
        };
        (Certificate::from_der(&make(Purpose::Ca)).unwrap(), make(Purpose::Leaf))
    }

    fn identity(leaf: &[u8]) -> X509Identity {
        X509Identity {
            chain: vec![leaf.to_vec()],
            key: Zeroizing::new(Vec::new()),
            issued_at: Timestamp::UNIX_EPOCH,
            expires_at: Timestamp::MAX,
            revision_number: 0,
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn tainted_svid_stays_until_another_takes_its_place() {
        let trust_domain = TrustDomain::parse("example.org").unwrap();
        let cache = Cache::new(trust_domain, Bundles::new(), 10);
        let ids = ["old", "new"].map(|id| EntryId::parse(id).unwrap());
        let entries = ids.iter().map(|id| {
            let spiffe_id = SpiffeId::parse(&format!("spiffe://example.org/{id}")).unwrap();
            let entry =
                Entry::new(id.clone(), spiffe_id.clone(), spiffe_id, [].into_iter().collect(), Timestamp::UNIX_EPOCH);
            (id.clone(), Arc::new(entry))
        });
        cache.take_over(&entries.collect(), Bundles::new());
        let ((tainted, old), (_, new)) = (root_and_leaf(), root_and_leaf());
        let [of_old, of_new] = ids.clone();
        cache.put(vec![(of_old.clone(), identity(&old)), (of_new.clone(), identity(&new))], Timestamp::UNIX_EPOCH);
        assert_eq!(cache.taint(&ids, &[tainted]), 1);
        assert!(cache.is_tainted(&of_old) && !cache.is_tainted(&of_new));
        assert_eq!(cache.snapshot().svid_count(), 2);
        cache.put(Vec::new(), Timestamp::UNIX_EPOCH);
        assert!(cache.is_tainted(&of_old));
        cache.put(vec![(of_old.clone(), identity(&new))], Timestamp::UNIX_EPOCH);
        assert!(!cache.is_tainted(&of_old));
    }
}
