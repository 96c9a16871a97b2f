//! The TrustDomain service: federation relationships.

mod convert;
mod delete;
mod read;
mod refresh;
mod write;

use std::sync::Arc;

use steeple_proto::spire::api::server::trustdomain::v1 as pb;
use steeple_proto::spire::api::types;
use tonic::{Request, Response, Status};

use super::call::Call;
use crate::core::Core;

pub(super) struct Service(pub(super) Arc<Core>);

#[tonic::async_trait]
impl pb::trust_domain_server::TrustDomain for Service {
    async fn list_federation_relationships(
        &self,
        request: Request<pb::ListFederationRelationshipsRequest>,
    ) -> Result<Response<pb::ListFederationRelationshipsResponse>, Status> {
        let call = Call::of(&request)?;
        read::list(&self.0, &call, request.into_inner()).await.map(Response::new)
    }

    async fn get_federation_relationship(
        &self,
        request: Request<pb::GetFederationRelationshipRequest>,
    ) -> Result<Response<types::FederationRelationship>, Status> {
        let call = Call::of(&request)?;
        read::get(&self.0, &call, request.into_inner()).await.map(Response::new)
    }

    async fn batch_create_federation_relationship(
        &self,
        request: Request<pb::BatchCreateFederationRelationshipRequest>,
    ) -> Result<Response<pb::BatchCreateFederationRelationshipResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(write::create(&self.0, &call, &request.into_inner()).await))
    }

    async fn batch_update_federation_relationship(
        &self,
        request: Request<pb::BatchUpdateFederationRelationshipRequest>,
    ) -> Result<Response<pb::BatchUpdateFederationRelationshipResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(write::update(&self.0, &call, &request.into_inner()).await))
    }

    async fn batch_delete_federation_relationship(
        &self,
        request: Request<pb::BatchDeleteFederationRelationshipRequest>,
    ) -> Result<Response<pb::BatchDeleteFederationRelationshipResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(delete::handle(&self.0, &call, request.into_inner()).await))
    }

    async fn refresh_bundle(&self, request: Request<pb::RefreshBundleRequest>) -> Result<Response<()>, Status> {
        let call = Call::of(&request)?;
        refresh::handle(&self.0, &call, &request.into_inner()).await.map(Response::new)
    }
}
