//! The service on which the node's CSI driver has sockets of pods opened.

use std::sync::Arc;
use std::time::Duration;

use steeple_plugin::MountedPod;
use steeple_proto::steeple::agent::podsockets::v1 as pb;
use tonic::{Request, Response, Status};
use tracing::error;

use crate::pods::PodSockets;

/// Longest wait for an identity: a kubelet gives a mount two minutes.
const MAX_WAIT: Duration = Duration::from_secs(110);
/// Most pods that are named as those whose sockets are used.
const MAX_RETAINED: usize = 16_384;

pub(super) struct Service(pub(super) Arc<PodSockets>);

#[tonic::async_trait]
impl pb::pod_sockets_server::PodSockets for Service {
    async fn open_pod_socket(
        &self,
        request: Request<pb::OpenPodSocketRequest>,
    ) -> Result<Response<pb::OpenPodSocketResponse>, Status> {
        let pb::OpenPodSocketRequest { pod, volume_id, wait_milliseconds } = request.into_inner();
        let pb::Pod { namespace, name, uid, service_account } =
            pod.ok_or_else(|| Status::invalid_argument("no pod is named"))?;
        let pod = MountedPod { namespace, name, uid, service_account };
        let wait = Duration::from_millis(wait_milliseconds.into()).min(MAX_WAIT);
        let (pod_uid, namespace, name) = (pod.uid.clone(), pod.namespace.clone(), pod.name.clone());
        self.0.open(pod, &volume_id, wait).await.inspect_err(|status| {
            let error = status.message();
            error!(error, pod_uid, namespace, name, subsystem_name = "pods", "Socket of a pod is not opened");
        })?;
        Ok(Response::new(pb::OpenPodSocketResponse {}))
    }

    async fn close_pod_socket(
        &self,
        request: Request<pb::ClosePodSocketRequest>,
    ) -> Result<Response<pb::ClosePodSocketResponse>, Status> {
        self.0.close(&request.get_ref().volume_id)?;
        Ok(Response::new(pb::ClosePodSocketResponse {}))
    }

    async fn retain_pod_sockets(
        &self,
        request: Request<pb::RetainPodSocketsRequest>,
    ) -> Result<Response<pb::RetainPodSocketsResponse>, Status> {
        let uids = request.into_inner().pod_uids;
        if uids.len() > MAX_RETAINED {
            return Err(Status::invalid_argument(format!("more than {MAX_RETAINED} pods are named")));
        }
        let closed = self.0.retain(&uids.into_iter().collect()).await;
        Ok(Response::new(pb::RetainPodSocketsResponse { closed }))
    }
}
