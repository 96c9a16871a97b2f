//! Giving a volume to a pod.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use steeple_proto::csi::v1 as pb;
use tonic::Status;
use tracing::{info, warn};

use crate::driver::Driver;
use crate::request::{Publish, Socket, checked};

impl Driver {
    /// Mounts a volume; again, if it is there already, changes nothing.
    pub(crate) async fn publish(&self, request: &pb::NodePublishVolumeRequest) -> Result<(), Status> {
        let Publish { volume_id, target, socket } = checked(request)?;
        let source = match &socket {
            Socket::Node => self.config.workload_api_socket_dir.clone(),
            Socket::Pod(uid, pod) => {
                let sockets = self.pod_sockets.as_ref().ok_or_else(no_pod_sockets)?;
                sockets.open(pod, &volume_id).await?;
                sockets.folder(uid)
            }
        };
        self.mount(&source, &target)?;
        info!(volume_id, target_path = %target.display(), source = %source.display(), "Volume published");
        Ok(())
    }

    fn mount(&self, source: &Path, target: &Path) -> Result<(), Status> {
        let shown = target.display();
        // What is looked at must not change before it is acted on.
        let _turn = self.mounting.lock();
        let made = match std::fs::DirBuilder::new().mode(0o750).create(target) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => {
                return Err(Status::internal(format!("unable to create target path \"{shown}\": {}", os_text(&error))));
            }
        };
        if self.count(target)? > 0 {
            if self.mounts.same(source, target) {
                return Ok(());
            }
            // The folder was made anew since, or an earlier driver mounted another: the pod would see nothing there.
            if !self.is_ours(target) {
                return Err(Status::internal(format!("target path \"{shown}\" is a mount that is not this driver's")));
            }
            warn!(target_path = %shown, "Volume shows another folder than it should; mounting it anew");
            self.unmount_all(target)?;
        }
        // It is writable for the host, which may have to label its files; the pod mounts it read-only.
        self.mounts.bind(source, target).map_err(|error| {
            if made {
                let _left = std::fs::remove_dir(target);
            }
            Status::internal(format!("unable to mount \"{shown}\": {}: {}", source.display(), os_text(&error)))
        })
    }

    /// How many things are mounted at `target`.
    pub(crate) fn count(&self, target: &Path) -> Result<usize, Status> {
        let points = self.mounts.points().map_err(|error| {
            Status::internal(format!("unable to verify mount point \"{}\": {}", target.display(), os_text(&error)))
        })?;
        Ok(points.iter().filter(|point| *point == target).count())
    }
}

fn no_pod_sockets() -> Status {
    Status::failed_precondition(
        "this driver has no sockets of pods to give: start it with -pod-socket-dir, and its agent with pod_sockets",
    )
}

/// The system's reason as Go tells it, without the number.
pub(crate) fn os_text(error: &io::Error) -> String {
    steeple_client::os_text(error)
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use crate::testing::{Bench, PATIENCE, UID, in_time, pod_request, request};

    #[tokio::test]
    async fn volume_shows_the_folder_of_the_nodes_socket() {
        let bench = Bench::new().await;
        let target = bench.publish(request()).await.unwrap();
        assert_eq!(bench.mounts.at(&target), [bench.node_sockets()]);
        bench.publish(request()).await.unwrap();
        assert_eq!(bench.mounts.at(&target), [bench.node_sockets()], "again, nothing is mounted on top");
    }

    #[tokio::test]
    async fn volume_of_a_pod_shows_the_folder_of_its_own_socket_once_it_is_open() {
        let bench = Bench::new().await;
        let target = bench.publish(pod_request(UID)).await.unwrap();
        assert_eq!(bench.mounts.at(&target), [bench.pod_sockets().join(UID)]);
        let opened = bench.agent.opened();
        assert_eq!(opened.len(), 1);
        assert_eq!(opened[0].pod.as_ref().unwrap().name, "web-1");
        assert_eq!(opened[0].volume_id, "csi-1");
        assert!((1..=20_000).contains(&opened[0].wait_milliseconds), "{opened:?}");
    }

    #[tokio::test]
    async fn refusal_of_the_agent_is_handed_on_and_nothing_is_mounted() {
        let bench = Bench::new().await;
        bench.agent.refuse("no entry for the pod shop/web-1");
        let status = bench.publish(pod_request(UID)).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "no entry for the pod shop/web-1"));
        assert!(bench.mounts.all().is_empty());
        assert!(!bench.target(UID).exists(), "the kubelet removes what is around it");
    }

    #[tokio::test]
    async fn agent_that_is_not_there_is_waited_for() {
        let bench = Bench::without_agent(PATIENCE).await;
        let publish = bench.publish(pod_request(UID));
        tokio::pin!(publish);
        tokio::select! {
            ended = &mut publish => panic!("it did not wait: {ended:?}"),
            () = bench.attempts(4) => {}
        }
        bench.agent.serve(&bench.pod_sockets());
        in_time(publish).await.unwrap();
        assert_eq!(bench.agent.opened().len(), 1);
    }

    #[tokio::test]
    async fn agent_that_stays_away_is_named() {
        let bench = Bench::without_agent(std::time::Duration::ZERO).await;
        let status = bench.publish(pod_request(UID)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.message().starts_with("the node's agent can't be reached at "), "{status:?}");
        assert!(status.message().contains("driver.sock"), "{status:?}");
    }

    #[tokio::test]
    async fn driver_without_sockets_of_pods_says_so() {
        let bench = Bench::of_node_sockets_only().await;
        let status = bench.publish(pod_request(UID)).await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert!(status.message().contains("-pod-socket-dir"), "{status:?}");
    }

    #[tokio::test]
    async fn folder_that_was_made_anew_is_mounted_anew() {
        let bench = Bench::new().await;
        let target = bench.publish(request()).await.unwrap();
        bench.mounts.replace(&target, "/run/gone");
        let status = bench.publish(request()).await.unwrap_err();
        assert!(status.message().contains("is not this driver's"), "{status:?}");
        Bench::note(&target);
        bench.publish(request()).await.unwrap();
        assert_eq!(bench.mounts.at(&target), [bench.node_sockets()]);
    }

    #[tokio::test]
    async fn folder_that_cannot_be_mounted_is_named() {
        let bench = Bench::new().await;
        bench.mounts.refuse();
        let status = bench.publish(request()).await.unwrap_err();
        assert_eq!(status.code(), Code::Internal);
        let begin = format!("unable to mount \"{}\": ", bench.target(UID).display());
        assert!(status.message().starts_with(&begin), "{status:?}");
        assert!(!bench.target(UID).exists());
    }
}
