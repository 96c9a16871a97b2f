//! `BatchCreateFederationRelationship` and `BatchUpdateFederationRelationship`.

use std::sync::Arc;

use steeple_audit::EventKind;
use steeple_policy::access::Object;
use steeple_proto::spire::api::server::trustdomain::v1 as pb;
use steeple_proto::spire::api::types;
use steeple_store::units::{CreateRelationship, RelationshipMask, UpdateRelationship};
use tonic::Code;

use super::convert::{from_pb, to_pb};
use crate::api::access_log::fields;
use crate::api::call::Call;
use crate::api::status::{Failure, ok};
use crate::core::Core;

const ALL: types::FederationRelationshipMask = types::FederationRelationshipMask {
    bundle_endpoint_url: true,
    bundle_endpoint_profile: true,
    trust_domain_bundle: true,
};

pub(super) async fn create(
    core: &Arc<Core>,
    call: &Call,
    request: &pb::BatchCreateFederationRelationshipRequest,
) -> pb::BatchCreateFederationRelationshipResponse {
    let mut results = Vec::with_capacity(request.federation_relationships.len());
    for relationship in &request.federation_relationships {
        let outcome = create_one(core, call, relationship, request.output_mask.as_ref()).await;
        let (status, federation_relationship) = item(outcome);
        call.item(status.as_ref(), || fields::relationship(relationship, ALL));
        results.push(pb::batch_create_federation_relationship_response::Result { status, federation_relationship });
    }
    pb::BatchCreateFederationRelationshipResponse { results }
}

pub(super) async fn update(
    core: &Arc<Core>,
    call: &Call,
    request: &pb::BatchUpdateFederationRelationshipRequest,
) -> pb::BatchUpdateFederationRelationshipResponse {
    let mask = request.input_mask.unwrap_or(ALL);
    let mut results = Vec::with_capacity(request.federation_relationships.len());
    for relationship in &request.federation_relationships {
        let outcome = update_one(core, call, relationship, mask, request.output_mask.as_ref()).await;
        let (status, federation_relationship) = item(outcome);
        call.item(status.as_ref(), || fields::relationship(relationship, mask));
        results.push(pb::batch_update_federation_relationship_response::Result { status, federation_relationship });
    }
    pb::BatchUpdateFederationRelationshipResponse { results }
}

type Outcome = Result<types::FederationRelationship, Failure>;

async fn create_one(
    core: &Arc<Core>,
    call: &Call,
    relationship: &types::FederationRelationship,
    output: Option<&types::FederationRelationshipMask>,
) -> Outcome {
    let (relationship, bundle) = from_pb(relationship)
        .map_err(|error| Failure::malformed("failed to convert federation relationship", error))?;
    if relationship.trust_domain == *core.trust_domain() {
        let message = "unable to create federation relationship for server trust domain";
        return Err(Failure::new(Code::InvalidArgument, message));
    }
    let failed =
        |error: &dyn std::fmt::Display| Failure::of(Code::Internal, "failed to create federation relationship", error);
    let actor = call.may(&[Object::Foreign(&relationship.trust_domain)])?;
    let event = EventKind::RelationshipCreated { trust_domain: relationship.trust_domain.clone() };
    let intent = core.audit.record(core.clock.now(), actor, event).await;
    let intent = intent.map_err(|error| failed(&error))?;
    let unit = CreateRelationship { relationship, bundle: bundle.clone() };
    let written = intent.outcome(core.store.write(unit).await).await.map_err(|error| failed(&error))?;
    Ok(to_pb(&written.value, bundle.as_ref(), output))
}

async fn update_one(
    core: &Arc<Core>,
    call: &Call,
    relationship: &types::FederationRelationship,
    mask: types::FederationRelationshipMask,
    output: Option<&types::FederationRelationshipMask>,
) -> Outcome {
    let (relationship, bundle) = from_pb(relationship)
        .map_err(|error| Failure::malformed("failed to convert federation relationship", error))?;
    let failed =
        |error: &dyn std::fmt::Display| Failure::of(Code::Internal, "failed to update federation relationship", error);
    let actor = call.may(&[Object::Foreign(&relationship.trust_domain)])?;
    let event = EventKind::RelationshipUpdated { trust_domain: relationship.trust_domain.clone() };
    let intent = core.audit.record(core.clock.now(), actor, event).await;
    let intent = intent.map_err(|error| failed(&error))?;
    let mask = RelationshipMask {
        bundle_endpoint_url: mask.bundle_endpoint_url,
        bundle_endpoint_profile: mask.bundle_endpoint_profile,
        trust_domain_bundle: mask.trust_domain_bundle,
    };
    let unit = UpdateRelationship { relationship, bundle: bundle.clone(), mask };
    let written = intent.outcome(core.store.write(unit).await).await.map_err(|error| failed(&error))?;
    Ok(to_pb(&written.value, bundle.as_ref(), output))
}

fn item(outcome: Outcome) -> (Option<types::Status>, Option<types::FederationRelationship>) {
    match outcome {
        Ok(relationship) => (Some(ok()), Some(relationship)),
        Err(failure) => (Some(failure.item()), None),
    }
}
