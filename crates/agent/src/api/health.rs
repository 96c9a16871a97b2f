//! The gRPC health service.

use std::sync::Arc;

use steeple_proto::grpc::health::v1 as pb;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::core::Core;

pub(super) struct Service(pub(super) Arc<Core>);

#[tonic::async_trait]
impl pb::health_server::Health for Service {
    type WatchStream = ReceiverStream<Result<pb::HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: Request<pb::HealthCheckRequest>,
    ) -> Result<Response<pb::HealthCheckResponse>, Status> {
        if !request.get_ref().service.is_empty() {
            return Err(Status::not_found("per-service health is not supported"));
        }
        // An agent that can answer a workload at all is healthy, also when the answer is that there is no identity.
        let has_bundle = self.0.cache.snapshot().own_bundle().is_some();
        let status = if has_bundle {
            pb::health_check_response::ServingStatus::Serving
        } else {
            pb::health_check_response::ServingStatus::NotServing
        };
        Ok(Response::new(pb::HealthCheckResponse { status: status.into() }))
    }

    async fn list(&self, _request: Request<pb::HealthListRequest>) -> Result<Response<pb::HealthListResponse>, Status> {
        Err(Status::unimplemented("method List not implemented"))
    }

    async fn watch(&self, _request: Request<pb::HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("method Watch not implemented"))
    }
}
