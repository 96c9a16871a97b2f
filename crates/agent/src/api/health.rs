//! The gRPC health service.

use std::sync::Arc;

use steeple_client::describe;
use steeple_proto::grpc::health::v1 as pb;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use tracing::warn;

use crate::core::Core;
use crate::health;

pub(super) struct Service(pub(super) Arc<Core>);

#[tonic::async_trait]
impl pb::health_server::Health for Service {
    type WatchStream = ReceiverStream<Result<pb::HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: Request<pb::HealthCheckRequest>,
    ) -> Result<Response<pb::HealthCheckResponse>, Status> {
        if !request.get_ref().service.is_empty() {
            return Err(Status::invalid_argument("per-service health is not supported"));
        }
        let status = match health::probe(&self.0).await {
            Ok(()) => pb::health_check_response::ServingStatus::Serving,
            Err(status) => {
                let reason = "unable to fetch X.509 context from Workload API";
                warn!(error = describe(&status), reason, subsystem_name = "endpoints", "Health check failed");
                pb::health_check_response::ServingStatus::NotServing
            }
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
