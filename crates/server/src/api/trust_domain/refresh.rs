//! `RefreshBundle`.

use std::sync::Arc;

use steeple_policy::access::Object;
use steeple_proto::spire::api::server::trustdomain::v1 as pb;
use steeple_types::TrustDomain;
use tonic::{Code, Status};
use tracing::debug;

use crate::api::call::Call;
use crate::api::status::Failure;
use crate::core::Core;

const WHAT: &str = "failed to refresh bundle";

pub(super) async fn handle(core: &Arc<Core>, call: &Call, request: &pb::RefreshBundleRequest) -> Result<(), Status> {
    let trust_domain = TrustDomain::parse(&request.trust_domain)
        .map_err(|error| Failure::malformed("failed to parse trust domain", error))?;
    call.asks("trust_domain_id", request.trust_domain.as_str());
    let actor = call.may(&[Object::Foreign(&trust_domain)])?;
    let relationship = core.federation.relationship(&trust_domain).await;
    let relationship = relationship.map_err(|error| Failure::of(Code::Internal, WHAT, error))?;
    let Some(relationship) = relationship else {
        let message = format!("no relationship with trust domain {:?}", trust_domain.name());
        return Err(Failure::new(Code::NotFound, message).into());
    };
    let attempt = core.federation.refresh(&relationship, actor).await;
    attempt.outcome.map_err(|error| Failure::of(Code::Internal, WHAT, error))?;
    debug!(trust_domain_id = trust_domain.name(), "Bundle refreshed");
    Ok(())
}
