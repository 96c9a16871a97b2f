//! `BatchDeleteFederationRelationship`.

use std::sync::Arc;

use steeple_audit::EventKind;
use steeple_policy::access::Object;
use steeple_proto::spire::api::server::trustdomain::v1 as pb;
use steeple_proto::spire::api::server::trustdomain::v1::batch_delete_federation_relationship_response::Result as Item;
use steeple_store::ErrorClass;
use steeple_store::units::DeleteRelationship;
use steeple_types::TrustDomain;
use tonic::Code;

use crate::api::access_log::fields::fields;
use crate::api::call::Call;
use crate::api::status::{Failure, ok};
use crate::core::Core;

pub(super) async fn handle(
    core: &Arc<Core>,
    call: &Call,
    request: pb::BatchDeleteFederationRelationshipRequest,
) -> pb::BatchDeleteFederationRelationshipResponse {
    let mut results = Vec::with_capacity(request.trust_domains.len());
    for name in request.trust_domains {
        let status = delete(core, call, &name).await.map_or_else(Failure::item, |()| ok());
        call.item(Some(&status), || fields([("trust_domain_id", name.as_str().into())]));
        results.push(Item { status: Some(status), trust_domain: name });
    }
    pb::BatchDeleteFederationRelationshipResponse { results }
}

async fn delete(core: &Arc<Core>, call: &Call, name: &str) -> Result<(), Failure> {
    if name.is_empty() {
        return Err(Failure::new(Code::InvalidArgument, "missing trust domain"));
    }
    let trust_domain =
        TrustDomain::parse(name).map_err(|error| Failure::malformed("failed to parse trust domain", error))?;
    let failed =
        |error: &dyn std::fmt::Display| Failure::of(Code::Internal, "failed to delete federation relationship", error);
    let actor = call.may(&[Object::Foreign(&trust_domain)])?;
    let event = EventKind::RelationshipDeleted { trust_domain: trust_domain.clone() };
    let intent = core.audit.record(core.clock.now(), actor, event).await;
    let intent = intent.map_err(|error| failed(&error))?;
    match intent.outcome(core.store.write(DeleteRelationship { trust_domain }).await).await {
        Ok(_) => Ok(()),
        Err(error) if error.class == ErrorClass::NotFound => {
            Err(Failure::new(Code::NotFound, "federation relationship not found"))
        }
        Err(error) => Err(failed(&error)),
    }
}
