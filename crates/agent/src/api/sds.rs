//! Envoy's secret discovery service (SDS v3).

mod refusals;
mod secrets;
mod stream;

use std::pin::Pin;
use std::sync::Arc;

use steeple_proto::envoy::service::discovery::v3 as pb;
use steeple_proto::envoy::service::secret::v3::secret_discovery_service_server::SecretDiscoveryService;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use crate::core::Core;

pub(super) struct Service(pub(super) Arc<Core>);

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The type of all resources here.
const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

#[tonic::async_trait]
impl SecretDiscoveryService for Service {
    type DeltaSecretsStream = Answers<pb::DeltaDiscoveryResponse>;
    type StreamSecretsStream = Answers<pb::DiscoveryResponse>;

    async fn delta_secrets(
        &self,
        request: Request<Streaming<pb::DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaSecretsStream>, Status> {
        let selectors = self.0.selectors(&request).await?;
        Ok(Response::new(stream::delta(Arc::clone(&self.0), selectors, request.into_inner())))
    }

    async fn stream_secrets(
        &self,
        request: Request<Streaming<pb::DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamSecretsStream>, Status> {
        let selectors = self.0.selectors(&request).await?;
        Ok(Response::new(stream::whole(Arc::clone(&self.0), selectors, request.into_inner())))
    }

    async fn fetch_secrets(
        &self,
        request: Request<pb::DiscoveryRequest>,
    ) -> Result<Response<pb::DiscoveryResponse>, Status> {
        let selectors = self.0.selectors(&request).await?;
        stream::once(Arc::clone(&self.0), selectors, request.into_inner()).await.map(Response::new)
    }
}
