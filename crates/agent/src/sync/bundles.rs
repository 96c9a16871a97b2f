//! The bundles of the own trust domain and of those that entries federate with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;
use steeple_proto::spire::api::server::bundle::v1 as pb;
use steeple_proto::spire::api::server::bundle::v1::bundle_client::BundleClient;
use steeple_types::{Bundle, TrustDomain};
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::convert::bundle_from_pb;

/// Bundles by trust domain.
pub(crate) type Bundles = BTreeMap<TrustDomain, Arc<Bundle>>;

/// Fetched at once.
const AT_ONCE: usize = 10;

/// Fetches the bundles; a federated one that the server does not have is left out.
pub(crate) async fn fetch_bundles(channel: Channel, federated: BTreeSet<TrustDomain>) -> Result<Bundles, Status> {
    let client = BundleClient::new(channel);
    let own = client.clone().get_bundle(pb::GetBundleRequest::default()).await?.into_inner();
    let own = bundle_from_pb(own).ok_or_else(|| Status::internal("the server's bundle can't be read"))?;
    let mut bundles = Bundles::from([(own.trust_domain.clone(), Arc::new(own))]);
    let fetch = |trust_domain: TrustDomain| {
        let mut client = client.clone();
        async move {
            let request =
                pb::GetFederatedBundleRequest { trust_domain: trust_domain.name().to_owned(), output_mask: None };
            match client.get_federated_bundle(request).await {
                Ok(bundle) => Ok(bundle_from_pb(bundle.into_inner())),
                Err(status) if status.code() == Code::NotFound => Ok(None),
                Err(status) => Err(status),
            }
        }
    };
    let mut fetched = futures::stream::iter(federated.into_iter().map(fetch)).buffer_unordered(AT_ONCE);
    while let Some(bundle) = fetched.next().await {
        if let Some(bundle) = bundle? {
            bundles.insert(bundle.trust_domain.clone(), Arc::new(bundle));
        }
    }
    Ok(bundles)
}
