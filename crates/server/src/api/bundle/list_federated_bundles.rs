//! `ListFederatedBundles` and `CountBundles`.

use std::sync::Arc;

use steeple_policy::access::Object;
use steeple_proto::spire::api::server::bundle::v1 as pb;
use tonic::{Code, Status};

use crate::api::call::Call;
use crate::api::convert::{bundle_to_pb, page};
use crate::api::status::Failure;
use crate::core::Core;

pub(super) async fn list(
    core: &Arc<Core>,
    call: &Call,
    request: pb::ListFederatedBundlesRequest,
) -> Result<pb::ListFederatedBundlesResponse, Status> {
    let page = page(request.page_size, request.page_token);
    let bundles = core.store.read("bundle.list", move |tx| tx.bundles(&page)).await;
    let bundles = bundles.map_err(|error| Failure::of(Code::Internal, "failed to list bundles", error))?;
    // The own bundle is left out after paging, so that a page may be one short, as in SPIRE.
    let federated = bundles.items.iter().filter(|bundle| bundle.trust_domain != *core.trust_domain());
    let federated = federated.filter(|bundle| call.sees(Object::Foreign(&bundle.trust_domain)));
    Ok(pb::ListFederatedBundlesResponse {
        bundles: federated.map(|bundle| bundle_to_pb(bundle, request.output_mask.as_ref())).collect(),
        next_page_token: bundles.next_token,
    })
}

pub(super) async fn count(core: &Arc<Core>, call: &Call) -> Result<pb::CountBundlesResponse, Status> {
    let count = if call.sees_everything() {
        core.store.read("bundle.count", |tx| tx.count_bundles()).await
    } else {
        let names = core.store.read("bundle.list", |tx| tx.bundle_names()).await;
        names.map(|names| names.iter().filter(|name| call.sees(Object::Foreign(name))).count() as u64)
    };
    let count = count.map_err(|error| Failure::of(Code::Internal, "failed to count bundles", error))?;
    Ok(pb::CountBundlesResponse { count: i32::try_from(count).unwrap_or(i32::MAX) })
}
