//! The Debug service.

use std::sync::Arc;

use steeple_crypto::x509::Certificate;
use steeple_proto::spire::api::server::debug::v1 as pb;
use tonic::{Code, Request, Response, Status};

use super::convert::id_to_pb;
use super::status::Failure;
use crate::core::Core;

pub(super) struct Service(pub(super) Arc<Core>);

#[tonic::async_trait]
impl pb::debug_server::Debug for Service {
    async fn get_info(&self, _request: Request<pb::GetInfoRequest>) -> Result<Response<pb::GetInfoResponse>, Status> {
        let core = &self.0;
        let counts = core.entries.read(|index| (index.node_count(), index.entry_count())).await;
        let (agents, entries) =
            counts.map_err(|error| Failure::of(Code::Internal, "failed to count agents and entries", error))?;
        let bundles = core.store.read("bundle.count", |tx| tx.count_bundles()).await;
        let bundles = bundles.map_err(|error| Failure::of(Code::Internal, "failed to count bundles", error))?;
        let uptime = core.clock.monotonic().saturating_sub(core.started).as_secs();
        Ok(Response::new(pb::GetInfoResponse {
            svid_chain: self.chain(),
            uptime: i32::try_from(uptime).unwrap_or(i32::MAX),
            agents_count: i32::try_from(agents).unwrap_or(i32::MAX),
            entries_count: i32::try_from(entries).unwrap_or(i32::MAX),
            federated_bundles_count: i32::try_from(bundles).unwrap_or(i32::MAX),
        }))
    }
}

impl Service {
    /// The server's SVID and the authorities above it that it shows, and the root in its bundle.
    fn chain(&self) -> Vec<pb::get_info_response::Cert> {
        let identity = self.0.identity.borrow().clone();
        let Some(identity) = identity else { return Vec::new() };
        let mut chain: Vec<Certificate> =
            identity.svid.chain.iter().filter_map(|der| Certificate::from_der(der).ok()).collect();
        if let Ok(issuer) = self.0.x509_issuer()
            && chain.len() == 1
        {
            chain.push(issuer.certificate().clone());
        }
        let to_pb = |certificate: &Certificate| pb::get_info_response::Cert {
            id: certificate.spiffe_id().ok().map(|id| id_to_pb(&id)),
            expires_at: certificate.not_after().as_second(),
            subject: certificate.subject().to_string(),
        };
        chain.iter().map(to_pb).collect()
    }
}
