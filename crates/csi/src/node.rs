//! The service `csi.v1.Node`: volumes of this node.

use std::path::Path;
use std::sync::Arc;

use steeple_client::describe;
use steeple_proto::csi::v1 as pb;
use steeple_proto::csi::v1::node_service_capability::{Rpc, Type, rpc};
use tonic::{Request, Response, Status};
use tracing::{debug, error};

use crate::driver::Driver;
use crate::publish::os_text;

pub(crate) struct Service(pub(crate) Arc<Driver>);

#[tonic::async_trait]
impl pb::node_server::Node for Service {
    async fn node_publish_volume(
        &self,
        request: Request<pb::NodePublishVolumeRequest>,
    ) -> Result<Response<pb::NodePublishVolumeResponse>, Status> {
        let request = request.get_ref();
        self.0.publish(request).await.inspect_err(|status| {
            let (volume_id, target_path) = (&request.volume_id, &request.target_path);
            error!(error = describe(status), volume_id, target_path, "Failed to publish volume");
        })?;
        Ok(Response::new(pb::NodePublishVolumeResponse {}))
    }

    async fn node_unpublish_volume(
        &self,
        request: Request<pb::NodeUnpublishVolumeRequest>,
    ) -> Result<Response<pb::NodeUnpublishVolumeResponse>, Status> {
        let request = request.get_ref();
        self.0.unpublish(request).await.inspect_err(|status| {
            let (volume_id, target_path) = (&request.volume_id, &request.target_path);
            error!(error = describe(status), volume_id, target_path, "Failed to unpublish volume");
        })?;
        Ok(Response::new(pb::NodeUnpublishVolumeResponse {}))
    }

    async fn node_get_volume_stats(
        &self,
        request: Request<pb::NodeGetVolumeStatsRequest>,
    ) -> Result<Response<pb::NodeGetVolumeStatsResponse>, Status> {
        let request = request.get_ref();
        let (volume_id, volume_path) = (&request.volume_id, &request.volume_path);
        let condition = match self.0.check(Path::new(volume_path)) {
            Ok(()) => {
                debug!(volume_id, volume_path, "Volume is healthy");
                pb::VolumeCondition { abnormal: false, message: "mounted".to_owned() }
            }
            Err(message) => {
                error!(error = message, volume_id, volume_path, "Volume is unhealthy");
                pb::VolumeCondition { abnormal: true, message }
            }
        };
        Ok(Response::new(pb::NodeGetVolumeStatsResponse { volume_condition: Some(condition) }))
    }

    async fn node_get_capabilities(
        &self,
        _request: Request<pb::NodeGetCapabilitiesRequest>,
    ) -> Result<Response<pb::NodeGetCapabilitiesResponse>, Status> {
        let capability =
            |kind: rpc::Type| pb::NodeServiceCapability { r#type: Some(Type::Rpc(Rpc { r#type: kind.into() })) };
        let capabilities = vec![capability(rpc::Type::VolumeCondition), capability(rpc::Type::GetVolumeStats)];
        Ok(Response::new(pb::NodeGetCapabilitiesResponse { capabilities }))
    }

    async fn node_get_info(
        &self,
        _request: Request<pb::NodeGetInfoRequest>,
    ) -> Result<Response<pb::NodeGetInfoResponse>, Status> {
        let node_id = self.0.config.node_id.clone();
        Ok(Response::new(pb::NodeGetInfoResponse { node_id, max_volumes_per_node: 0 }))
    }
}

impl Driver {
    /// Whether a volume is mounted and can be read; what is wrong otherwise.
    fn check(&self, path: &Path) -> Result<(), String> {
        let mounted = self
            .count(path)
            .map_err(|status| format!("failed to determine root for volume path mount: {}", status.message()))?;
        if mounted == 0 {
            return Err("volume path is not mounted".to_owned());
        }
        let list = std::fs::read_dir(path).map(drop);
        list.map_err(|error| format!("unable to list contents of volume path: {}", os_text(&error)))
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Bench, UID, request};

    #[tokio::test]
    async fn health_of_a_volume_is_told_in_the_words_of_spiffe_csi() {
        let bench = Bench::new().await;
        let told = |target: std::path::PathBuf| {
            let bench = &bench;
            async move {
                let condition = bench.condition(&target).await;
                (condition.abnormal, condition.message)
            }
        };
        assert_eq!(told(bench.target(UID)).await, (true, "volume path is not mounted".to_owned()));
        let target = bench.publish(request()).await.unwrap();
        assert_eq!(told(target.clone()).await, (false, "mounted".to_owned()));
        std::fs::remove_dir(&target).unwrap();
        let (abnormal, message) = told(target).await;
        assert!(abnormal && message.starts_with("unable to list contents of volume path: "), "{message}");
    }

    #[tokio::test]
    async fn driver_tells_who_it_is_and_what_it_can() {
        let bench = Bench::new().await;
        let told = bench.introduction().await;
        assert_eq!(told.name, "csi.spiffe.io");
        assert_eq!(told.version, "1.16.0-test");
        assert_eq!((told.node_id.as_str(), told.max_volumes), ("node-1", 0));
        assert_eq!(told.capabilities, ["VOLUME_CONDITION", "GET_VOLUME_STATS"]);
    }
}
