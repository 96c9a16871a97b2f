//! The gRPC health service.

use std::sync::Arc;

use steeple_proto::grpc::health::v1 as pb;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status};

use super::status::Failure;
use crate::health::Health;

pub(super) struct Service(pub(super) Arc<Health>);

#[tonic::async_trait]
impl pb::health_server::Health for Service {
    type WatchStream = ReceiverStream<Result<pb::HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: Request<pb::HealthCheckRequest>,
    ) -> Result<Response<pb::HealthCheckResponse>, Status> {
        if !request.get_ref().service.is_empty() {
            return Err(Failure::new(Code::InvalidArgument, "per-service health is not supported").into());
        }
        let serving = self.0.serves().await;
        let status = if serving {
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
