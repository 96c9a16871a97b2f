//! `GetBundle` and `GetFederatedBundle`.

use std::sync::Arc;

use steeple_policy::access::Object;
use steeple_proto::spire::api::server::bundle::v1 as pb;
use steeple_proto::spire::api::types;
use steeple_types::TrustDomain;
use tonic::{Code, Status};

use crate::api::call::Call;
use crate::api::convert::bundle_to_pb;
use crate::api::status::Failure;
use crate::core::Core;

pub(super) async fn own(
    core: &Arc<Core>,
    call: &Call,
    request: &pb::GetBundleRequest,
) -> Result<types::Bundle, Status> {
    call.asks("trust_domain_id", core.trust_domain().name());
    fetch(core, core.trust_domain().clone(), request.output_mask.as_ref()).await
}

pub(super) async fn federated(
    core: &Arc<Core>,
    call: &Call,
    request: &pb::GetFederatedBundleRequest,
) -> Result<types::Bundle, Status> {
    call.asks("trust_domain_id", request.trust_domain.as_str());
    let trust_domain = TrustDomain::parse(&request.trust_domain)
        .map_err(|error| Failure::malformed("trust domain argument is not valid", error))?;
    if trust_domain == *core.trust_domain() {
        let message = "getting a federated bundle for the server's own trust domain is not allowed";
        return Err(Failure::new(Code::InvalidArgument, message).into());
    }
    call.may(&[Object::Foreign(&trust_domain)])?;
    fetch(core, trust_domain, request.output_mask.as_ref()).await
}

async fn fetch(
    core: &Arc<Core>,
    trust_domain: TrustDomain,
    mask: Option<&types::BundleMask>,
) -> Result<types::Bundle, Status> {
    let bundle = core.store.read("bundle.fetch", move |tx| tx.bundle(&trust_domain)).await;
    let bundle = bundle.map_err(|error| Failure::of(Code::Internal, "failed to fetch bundle", error))?;
    let bundle = bundle.ok_or_else(|| Failure::new(Code::NotFound, "bundle not found"))?;
    Ok(bundle_to_pb(&bundle, mask))
}
