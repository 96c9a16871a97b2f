//! `FetchX509Bundles` and `FetchJWTBundles`: the bundles that the caller may verify by, again whenever they change.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use steeple_proto::workload as pb;
use steeple_types::{Bundle, Selector, TrustDomain};
use tokio::sync::watch;
use tonic::Status;

use super::fetch_x509_svid::x509_bundle;
use super::{Answers, no_identity};
use crate::core::Core;
use crate::svid::Snapshot;

pub(super) fn x509(core: &Arc<Core>, selectors: Vec<Selector>) -> Result<Answers<pb::X509BundlesResponse>, Status> {
    feed(core, selectors, |bundles| {
        let bundles = bundles.iter().map(|(td, bundle)| (td.id_string(), x509_bundle(bundle))).collect();
        Ok(pb::X509BundlesResponse { crl: Vec::new(), bundles })
    })
}

pub(super) fn jwt(core: &Arc<Core>, selectors: Vec<Selector>) -> Result<Answers<pb::JwtBundlesResponse>, Status> {
    feed(core, selectors, |bundles| {
        let mut documents = HashMap::new();
        for (trust_domain, bundle) in bundles {
            let document = steeple_crypto::bundle::to_jwt_jwks(bundle)
                .map_err(|error| Status::unavailable(format!("could not serialize response: {error}")))?;
            documents.insert(trust_domain.id_string(), document.into_bytes());
        }
        Ok(pb::JwtBundlesResponse { bundles: documents })
    })
}

type Bundles = BTreeMap<TrustDomain, Arc<Bundle>>;

/// The bundles that a caller with these selectors may have.
fn allowed(core: &Core, snapshot: &Snapshot, selectors: &[Selector]) -> Result<Bundles, Status> {
    let mine = snapshot.matching(selectors);
    if mine.is_empty() && !core.settings.allow_unauthenticated_verifiers {
        return Err(no_identity());
    }
    let mut bundles = snapshot.federated(&mine);
    bundles.extend(snapshot.own_bundle().map(|bundle| (snapshot.trust_domain.clone(), Arc::clone(bundle))));
    Ok(bundles)
}

struct Feed<T> {
    core: Arc<Core>,
    selectors: Vec<Selector>,
    state: watch::Receiver<Arc<Snapshot>>,
    last: Option<Bundles>,
    render: fn(&Bundles) -> Result<T, Status>,
}

impl<T> Feed<T> {
    async fn next(&mut self) -> Result<T, Status> {
        loop {
            let snapshot = Arc::clone(&self.state.borrow_and_update());
            let bundles = allowed(&self.core, &snapshot, &self.selectors)?;
            if self.last.as_ref() != Some(&bundles) {
                let answer = (self.render)(&bundles);
                self.last = Some(bundles);
                return answer;
            }
            self.state.changed().await.map_err(|_| Status::unavailable("agent is shutting down"))?;
        }
    }
}

fn feed<T: Send + 'static>(
    core: &Arc<Core>,
    selectors: Vec<Selector>,
    render: fn(&Bundles) -> Result<T, Status>,
) -> Result<Answers<T>, Status> {
    allowed(core, &core.cache.snapshot(), &selectors)?;
    let feed = Feed { core: Arc::clone(core), selectors, state: core.cache.subscribe(), last: None, render };
    let stream = futures::stream::unfold(Some(feed), |feed| async {
        let mut feed = feed?;
        match feed.next().await {
            Ok(answer) => Some((Ok(answer), Some(feed))),
            Err(status) => Some((Err(status), None)),
        }
    });
    Ok(Box::pin(stream))
}
