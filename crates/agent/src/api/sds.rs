//! Envoy's secret discovery service (SDS v3).

mod refusals;
mod secrets;
mod stream;

use std::pin::Pin;
use std::sync::Arc;

use steeple_explain::RefusalReason;
use steeple_proto::envoy::service::discovery::v3 as pb;
use steeple_proto::envoy::service::secret::v3::secret_discovery_service_server::SecretDiscoveryService;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use crate::core::{Caller, Core, caller};
use crate::workload::Known;

pub(super) struct Service(pub(super) Arc<Core>);

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The type of all resources here.
const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

/// Who asks.
struct Party {
    caller: Caller,
    known: Known,
}

impl Party {
    /// The process that asks, where it counts.
    fn pid(&self) -> Option<u32> {
        match &self.caller {
            Caller::Process(peer) => Some(peer.process.pid()),
            Caller::Pod(_) => None,
        }
    }

    fn refuse(&self, core: &Core, method: &str, reason: RefusalReason, status: &Status) -> String {
        core.refuse(&self.caller, method, &self.known, reason, status)
    }
}

impl Service {
    async fn party<T>(&self, request: &Request<T>) -> Result<Party, Status> {
        let known = self.0.known(request).await?;
        Ok(Party { caller: caller(request)?, known })
    }
}

#[tonic::async_trait]
impl SecretDiscoveryService for Service {
    type DeltaSecretsStream = Answers<pb::DeltaDiscoveryResponse>;
    type StreamSecretsStream = Answers<pb::DiscoveryResponse>;

    async fn delta_secrets(
        &self,
        request: Request<Streaming<pb::DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaSecretsStream>, Status> {
        let party = self.party(&request).await?;
        Ok(Response::new(stream::delta(Arc::clone(&self.0), party, request.into_inner())))
    }

    async fn stream_secrets(
        &self,
        request: Request<Streaming<pb::DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamSecretsStream>, Status> {
        let party = self.party(&request).await?;
        Ok(Response::new(stream::whole(Arc::clone(&self.0), party, request.into_inner())))
    }

    async fn fetch_secrets(
        &self,
        request: Request<pb::DiscoveryRequest>,
    ) -> Result<Response<pb::DiscoveryResponse>, Status> {
        let party = self.party(&request).await?;
        stream::once(Arc::clone(&self.0), party, request.into_inner()).await.map(Response::new)
    }
}
