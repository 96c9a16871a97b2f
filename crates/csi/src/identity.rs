//! The service `csi.v1.Identity`: who the driver is.

use std::sync::Arc;

use steeple_proto::csi::v1 as pb;
use tonic::{Request, Response, Status};

use crate::driver::Driver;

pub(crate) struct Service(pub(crate) Arc<Driver>);

#[tonic::async_trait]
impl pb::identity_server::Identity for Service {
    async fn get_plugin_info(
        &self,
        _request: Request<pb::GetPluginInfoRequest>,
    ) -> Result<Response<pb::GetPluginInfoResponse>, Status> {
        let config = &self.0.config;
        Ok(Response::new(pb::GetPluginInfoResponse {
            name: config.plugin_name.clone(),
            vendor_version: config.version.clone(),
            ..pb::GetPluginInfoResponse::default()
        }))
    }

    async fn get_plugin_capabilities(
        &self,
        _request: Request<pb::GetPluginCapabilitiesRequest>,
    ) -> Result<Response<pb::GetPluginCapabilitiesResponse>, Status> {
        Ok(Response::new(pb::GetPluginCapabilitiesResponse {}))
    }

    async fn probe(&self, _request: Request<pb::ProbeRequest>) -> Result<Response<pb::ProbeResponse>, Status> {
        Ok(Response::new(pb::ProbeResponse::default()))
    }
}
