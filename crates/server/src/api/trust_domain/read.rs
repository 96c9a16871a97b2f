//! `ListFederationRelationships` and `GetFederationRelationship`.

use std::sync::Arc;

use steeple_policy::access::Object;
use steeple_proto::spire::api::server::trustdomain::v1 as pb;
use steeple_proto::spire::api::types;
use steeple_types::TrustDomain;
use tonic::{Code, Status};

use super::convert::to_pb;
use crate::api::call::Call;
use crate::api::convert::page;
use crate::api::status::Failure;
use crate::core::Core;

pub(super) async fn list(
    core: &Arc<Core>,
    call: &Call,
    request: pb::ListFederationRelationshipsRequest,
) -> Result<pb::ListFederationRelationshipsResponse, Status> {
    let page = page(request.page_size, request.page_token);
    let found = core.store.read("federation_relationship.list", move |tx| {
        let relationships = tx.relationships(&page)?;
        let mut items = Vec::with_capacity(relationships.items.len());
        for relationship in relationships.items {
            let bundle = tx.bundle(&relationship.trust_domain)?;
            items.push((relationship, bundle));
        }
        Ok((items, relationships.next_token))
    });
    let (mut items, next_page_token) =
        found.await.map_err(|error| Failure::of(Code::Internal, "failed to list federation relationships", error))?;
    items.retain(|(item, _)| call.sees(Object::Foreign(&item.trust_domain)));
    let mask = request.output_mask.as_ref();
    Ok(pb::ListFederationRelationshipsResponse {
        federation_relationships: items.iter().map(|(item, bundle)| to_pb(item, bundle.as_ref(), mask)).collect(),
        next_page_token,
    })
}

pub(super) async fn get(
    core: &Arc<Core>,
    call: &Call,
    request: pb::GetFederationRelationshipRequest,
) -> Result<types::FederationRelationship, Status> {
    call.asks("trust_domain_id", request.trust_domain.as_str());
    let trust_domain = TrustDomain::parse(&request.trust_domain)
        .map_err(|error| Failure::malformed("failed to parse trust domain", error))?;
    call.may(&[Object::Foreign(&trust_domain)])?;
    let found = core.store.read("federation_relationship.fetch", move |tx| {
        let Some(relationship) = tx.relationship(&trust_domain)? else { return Ok(None) };
        let bundle = tx.bundle(&trust_domain)?;
        Ok(Some((relationship, bundle)))
    });
    let found =
        found.await.map_err(|error| Failure::of(Code::Internal, "failed to fetch federation relationship", error))?;
    let (relationship, bundle) =
        found.ok_or_else(|| Failure::new(Code::NotFound, "federation relationship does not exist"))?;
    Ok(to_pb(&relationship, bundle.as_ref(), request.output_mask.as_ref()))
}
