//! The Bundle service.

mod append_bundle;
mod batch_delete_federated_bundle;
mod batch_write_federated_bundle;
mod get_bundle;
mod list_federated_bundles;
mod publish_jwt_authority;

use std::sync::Arc;

use steeple_proto::spire::api::server::bundle::v1 as pb;
use steeple_proto::spire::api::types;
use tonic::{Code, Request, Response, Status};

use super::call::Call;
use super::status::Failure;
use crate::core::Core;

pub(super) struct Service(pub(super) Arc<Core>);

#[tonic::async_trait]
impl pb::bundle_server::Bundle for Service {
    async fn count_bundles(
        &self,
        request: Request<pb::CountBundlesRequest>,
    ) -> Result<Response<pb::CountBundlesResponse>, Status> {
        let call = Call::of(&request)?;
        list_federated_bundles::count(&self.0, &call).await.map(Response::new)
    }

    async fn get_bundle(&self, request: Request<pb::GetBundleRequest>) -> Result<Response<types::Bundle>, Status> {
        let call = Call::of(&request)?;
        get_bundle::own(&self.0, &call, &request.into_inner()).await.map(Response::new)
    }

    async fn append_bundle(
        &self,
        request: Request<pb::AppendBundleRequest>,
    ) -> Result<Response<types::Bundle>, Status> {
        let call = Call::of(&request)?;
        append_bundle::handle(&self.0, &call, &request.into_inner()).await.map(Response::new)
    }

    async fn publish_jwt_authority(
        &self,
        request: Request<pb::PublishJwtAuthorityRequest>,
    ) -> Result<Response<pb::PublishJwtAuthorityResponse>, Status> {
        let call = Call::of(&request)?;
        publish_jwt_authority::handle(&self.0, &call, request.into_inner()).await.map(Response::new)
    }

    async fn publish_wit_authority(
        &self,
        _request: Request<pb::PublishWitAuthorityRequest>,
    ) -> Result<Response<pb::PublishWitAuthorityResponse>, Status> {
        Err(Failure::new(Code::Unimplemented, "WIT-SVID functionality is not yet implemented").into())
    }

    async fn list_federated_bundles(
        &self,
        request: Request<pb::ListFederatedBundlesRequest>,
    ) -> Result<Response<pb::ListFederatedBundlesResponse>, Status> {
        let call = Call::of(&request)?;
        list_federated_bundles::list(&self.0, &call, request.into_inner()).await.map(Response::new)
    }

    async fn get_federated_bundle(
        &self,
        request: Request<pb::GetFederatedBundleRequest>,
    ) -> Result<Response<types::Bundle>, Status> {
        let call = Call::of(&request)?;
        get_bundle::federated(&self.0, &call, &request.into_inner()).await.map(Response::new)
    }

    async fn batch_create_federated_bundle(
        &self,
        request: Request<pb::BatchCreateFederatedBundleRequest>,
    ) -> Result<Response<pb::BatchCreateFederatedBundleResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(batch_write_federated_bundle::create(&self.0, &call, &request.into_inner()).await))
    }

    async fn batch_update_federated_bundle(
        &self,
        request: Request<pb::BatchUpdateFederatedBundleRequest>,
    ) -> Result<Response<pb::BatchUpdateFederatedBundleResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(batch_write_federated_bundle::update(&self.0, &call, &request.into_inner()).await))
    }

    async fn batch_set_federated_bundle(
        &self,
        request: Request<pb::BatchSetFederatedBundleRequest>,
    ) -> Result<Response<pb::BatchSetFederatedBundleResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(batch_write_federated_bundle::set(&self.0, &call, &request.into_inner()).await))
    }

    async fn batch_delete_federated_bundle(
        &self,
        request: Request<pb::BatchDeleteFederatedBundleRequest>,
    ) -> Result<Response<pb::BatchDeleteFederatedBundleResponse>, Status> {
        let call = Call::of(&request)?;
        batch_delete_federated_bundle::handle(&self.0, &call, request.into_inner()).await.map(Response::new)
    }
}
