//! Taking a volume from a pod.

use std::io;
use std::path::Path;

use steeple_proto::csi::v1 as pb;
use tonic::Status;
use tracing::{info, warn};

use crate::driver::Driver;
use crate::publish::os_text;
use crate::request::place;
use crate::target::{is_noted, pod_uid};

impl Driver {
    /// Unmounts a volume; one that is not there is no failure.
    pub(crate) async fn unpublish(&self, request: &pb::NodeUnpublishVolumeRequest) -> Result<(), Status> {
        let target = place(&request.volume_id, &request.target_path)?;
        self.remove(&target)?;
        if let Some(sockets) = &self.pod_sockets {
            // A pod must be able to go without an agent: what is left open then is closed when sockets are compared.
            if let Err(status) = sockets.close(&request.volume_id).await {
                let error = status.message();
                warn!(volume_id = request.volume_id, error, "Agent was not told that the volume is gone");
            }
        }
        info!(volume_id = request.volume_id, target_path = %target.display(), "Volume unpublished");
        Ok(())
    }

    fn remove(&self, target: &Path) -> Result<(), Status> {
        let _turn = self.mounting.lock();
        if self.count(target)? > 0 {
            if !self.is_ours(target) {
                let shown = target.display();
                return Err(Status::failed_precondition(format!(
                    "target path \"{shown}\" is a mount that is not this driver's; it is left as it is"
                )));
            }
            self.unmount_all(target)?;
        }
        match std::fs::remove_dir(target) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let shown = target.display();
                Err(Status::internal(format!("unable to remove target path \"{shown}\": {}", os_text(&error))))
            }
            _ => Ok(()),
        }
    }

    /// Whether what is mounted at `target` is of this driver: it shows a folder that the driver gives, or the kubelet noted
    /// beside it that the driver was to mount there.
    pub(crate) fn is_ours(&self, target: &Path) -> bool {
        if self.mounts.same(&self.config.workload_api_socket_dir, target) || is_noted(target, &self.config.plugin_name)
        {
            return true;
        }
        let own = pod_uid(target).zip(self.pod_sockets.as_ref());
        own.is_some_and(|(uid, sockets)| self.mounts.same(&sockets.folder(&uid), target))
    }

    /// Takes away everything that is mounted at `target`: a driver of old may have mounted twice.
    pub(crate) fn unmount_all(&self, target: &Path) -> Result<(), Status> {
        for _ in 0..self.count(target)? {
            self.mounts.unmount(target).map_err(|error| {
                Status::internal(format!("unable to unmount \"{}\": {}", target.display(), os_text(&error)))
            })?;
        }
        Ok(())
    }

    /// The UIDs of the pods in which a volume with their own socket is mounted.
    pub(crate) fn pods_with_sockets(&self) -> io::Result<Vec<String>> {
        let Some(sockets) = &self.pod_sockets else { return Ok(Vec::new()) };
        let own = |target: &std::path::PathBuf| {
            let uid = pod_uid(target)?;
            self.mounts.same(&sockets.folder(&uid), target).then(|| uid.to_string())
        };
        let mut uids: Vec<String> = self.mounts.points()?.iter().filter_map(own).collect();
        uids.sort_unstable();
        uids.dedup();
        Ok(uids)
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use crate::testing::{Bench, UID, pod_request, request};

    #[tokio::test]
    async fn volume_goes_with_its_folder_and_may_go_twice() {
        let bench = Bench::new().await;
        let target = bench.publish(pod_request(UID)).await.unwrap();
        bench.unpublish(&target).await.unwrap();
        assert!(bench.mounts.all().is_empty() && !target.exists());
        assert_eq!(bench.agent.closed(), ["csi-1"]);
        bench.unpublish(&target).await.unwrap();
        assert_eq!(bench.agent.closed(), ["csi-1", "csi-1"]);
    }

    #[tokio::test]
    async fn mount_of_somebody_else_is_left_alone() {
        let bench = Bench::new().await;
        let target = bench.target(UID);
        std::fs::create_dir(&target).unwrap();
        bench.mounts.replace(&target, "/var/precious");
        let status = bench.unpublish(&target).await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert!(status.message().contains("not this driver's"), "{status:?}");
        assert_eq!(bench.mounts.at(&target), [std::path::PathBuf::from("/var/precious")]);
        Bench::note(&target);
        bench.unpublish(&target).await.unwrap();
        assert!(bench.mounts.all().is_empty() && !target.exists());
    }

    #[tokio::test]
    async fn all_that_is_mounted_at_the_place_goes() {
        let bench = Bench::new().await;
        let target = bench.publish(request()).await.unwrap();
        bench.mounts.push(&target, &bench.node_sockets());
        bench.unpublish(&target).await.unwrap();
        assert!(bench.mounts.all().is_empty());
    }

    #[tokio::test]
    async fn pod_goes_without_an_agent() {
        let mut bench = Bench::new().await;
        let target = bench.publish(pod_request(UID)).await.unwrap();
        bench.stop_agent();
        bench.unpublish(&target).await.unwrap();
        assert!(bench.mounts.all().is_empty());
    }

    #[tokio::test]
    async fn folder_with_content_is_not_removed() {
        let bench = Bench::new().await;
        let target = bench.target(UID);
        std::fs::create_dir_all(target.join("precious")).unwrap();
        let status = bench.unpublish(&target).await.unwrap_err();
        assert_eq!(status.code(), Code::Internal);
        assert!(status.message().starts_with("unable to remove target path "), "{status:?}");
        assert!(target.join("precious").exists());
    }

    #[tokio::test]
    async fn missing_names_are_refused_in_the_words_of_spiffe_csi() {
        let bench = Bench::new().await;
        for (volume, target, text) in
            [("", "/x", "request missing required volume id"), ("csi-1", "", "request missing required target path")]
        {
            let status = bench.unpublish_of(volume, target).await.unwrap_err();
            assert_eq!((status.code(), status.message()), (Code::InvalidArgument, text));
        }
    }
}
