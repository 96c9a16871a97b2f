//! `FetchX509SVID`: all identities of the caller, again whenever they change.

use std::sync::Arc;

use steeple_proto::workload as pb;
use steeple_types::{Bundle, Selector};
use tokio::sync::watch;
use tonic::Status;
use tracing::debug;

use super::{Answers, Call, SERVICE, no_identity, seconds_left, without_repeated_hints};
use crate::core::Core;
use crate::svid::{Identity, Snapshot};

pub(super) fn handle(core: &Arc<Core>, call: Call) -> Result<Answers<pb::X509svidResponse>, Status> {
    let selectors = call.known.selectors.clone();
    let state = core.cache.subscribe();
    let mine = core.cache.snapshot().matching(&selectors);
    if mine.is_empty() {
        return Err(call.without_identity(no_identity()));
    }
    let feed = Feed { core: Arc::clone(core), call, selectors, state, last: None };
    let stream = futures::stream::unfold(Some(feed), |feed| async {
        let mut feed = feed?;
        match feed.next().await {
            Ok(answer) => Some((Ok(answer), Some(feed))),
            Err(status) => Some((Err(status), None)),
        }
    });
    Ok(Box::pin(stream))
}

struct Feed {
    core: Arc<Core>,
    call: Call,
    selectors: Vec<Selector>,
    state: watch::Receiver<Arc<Snapshot>>,
    last: Option<Sent>,
}

impl Feed {
    /// Waits until something is there that was not sent, and all of it is there.
    async fn next(&mut self) -> Result<pb::X509svidResponse, Status> {
        loop {
            let snapshot = Arc::clone(&self.state.borrow_and_update());
            let mine = snapshot.matching(&self.selectors);
            if mine.is_empty() {
                return Err(self.call.without_identity(no_identity()));
            }
            let _demand = self.core.cache.demand(&mine);
            if mine.iter().all(|identity| identity.svid.is_some()) {
                let answer = Sent::of(&snapshot, &mine);
                if self.last.as_ref().is_none_or(|last| !last.is(&answer)) {
                    self.last = Some(answer);
                    self.tell(&mine);
                    return Ok(response(&snapshot, &mine));
                }
            }
            self.state.changed().await.map_err(|_| Status::unavailable("agent is shutting down"))?;
        }
    }
}

impl Feed {
    /// Says in the log what is answered.
    fn tell(&self, identities: &[Identity]) {
        let (Call { method, pid, pod_uid, .. }, now) = (&self.call, self.core.clock.now());
        let (count, registered, service) = (identities.len(), true, SERVICE);
        for Identity { entry, svid } in identities {
            let spiffe_id = &entry.spiffe_id;
            let ttl = svid.as_ref().map(|svid| seconds_left(svid.expires_at, now));
            debug!(count, method, pid, pod_uid, registered, service, %spiffe_id, subsystem_name = "endpoints", ttl, "Fetched X.509 SVID");
        }
    }
}

/// What an answer was made of. It is held, so that nothing else can take its place in memory.
struct Sent {
    identities: Vec<Identity>,
    bundles: Vec<Arc<Bundle>>,
}

impl Sent {
    fn of(snapshot: &Snapshot, identities: &[Identity]) -> Self {
        let federated = snapshot.federated(identities);
        let bundles = snapshot.own_bundle().cloned().into_iter().chain(federated.into_values()).collect();
        Self { identities: identities.to_vec(), bundles }
    }

    fn is(&self, other: &Self) -> bool {
        let same_svid = |one: &Identity, other: &Identity| match (&one.svid, &other.svid) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        let same = |(one, other): (&Identity, &Identity)| same_svid(one, other) && one.entry == other.entry;
        self.identities.len() == other.identities.len()
            && self.identities.iter().zip(&other.identities).all(same)
            && self.bundles.len() == other.bundles.len()
            && self.bundles.iter().zip(&other.bundles).all(|(one, other)| answers_alike(one, other))
    }
}

/// Whether two bundles make the same answer: a taint, for one, is not in it.
fn answers_alike(one: &Bundle, other: &Bundle) -> bool {
    one.trust_domain == other.trust_domain && x509_bundle(one) == x509_bundle(other)
}

fn response(snapshot: &Snapshot, identities: &[Identity]) -> pb::X509svidResponse {
    let own = snapshot.own_bundle().map(|bundle| x509_bundle(bundle)).unwrap_or_default();
    let svid = |identity: &Identity| {
        let svid = identity.svid.as_ref()?;
        Some(pb::X509svid {
            spiffe_id: identity.entry.spiffe_id.to_string(),
            x509_svid: svid.chain.concat(),
            x509_svid_key: svid.key.to_vec(),
            bundle: own.clone(),
            hint: identity.entry.hint.clone(),
        })
    };
    let federated = snapshot.federated(identities);
    pb::X509svidResponse {
        svids: without_repeated_hints(identities).into_iter().filter_map(svid).collect(),
        crl: Vec::new(),
        federated_bundles: federated.iter().map(|(td, bundle)| (td.id_string(), x509_bundle(bundle))).collect(),
    }
}

/// The X.509 authorities of a bundle, DER one after the other.
pub(super) fn x509_bundle(bundle: &Bundle) -> Vec<u8> {
    bundle.x509_authorities.iter().flat_map(|authority| authority.certificate.iter().copied()).collect()
}
