//! The agent of the node, asked for sockets of pods.

use std::path::{Path, PathBuf};
use std::time::Duration;

use steeple_client::connect_unix;
use steeple_clock::Clock;
use steeple_proto::steeple::agent::podsockets::v1 as pb;
use steeple_proto::steeple::agent::podsockets::v1::pod_sockets_client::PodSocketsClient;
use steeple_types::PodUid;
use tonic::Status;
use tonic::transport::Channel;

use crate::driver::PodSocketsConfig;

/// Name of the socket in the folder of pod sockets on which the agent takes the driver's calls.
const DRIVER_SOCKET: &str = "driver.sock";
/// How long the agent may take beyond the wait for an identity, and for calls without one.
const MARGIN: Duration = Duration::from_secs(3);
/// Pause between two looks whether an agent is there.
const PAUSE: Duration = Duration::from_millis(250);

/// Sockets of pods, which the agent opens.
pub(crate) struct PodSockets {
    folder: PathBuf,
    wait: Duration,
    channel: Channel,
    clock: Clock,
}

impl PodSockets {
    pub(crate) fn new(config: PodSocketsConfig, clock: Clock) -> Self {
        let channel = connect_unix(&config.folder.join(DRIVER_SOCKET));
        Self { folder: config.folder, wait: config.identity_timeout, channel, clock }
    }

    /// The folder that a pod's socket is in.
    pub(crate) fn folder(&self, uid: &PodUid) -> PathBuf {
        self.folder.join(uid.as_str())
    }

    /// Has a pod's socket opened; returns when the pod's identity can be fetched there.
    pub(crate) async fn open(&self, pod: &pb::Pod, volume_id: &str) -> Result<(), Status> {
        let began = self.clock.monotonic();
        loop {
            let left = self.wait.saturating_sub(self.clock.monotonic().saturating_sub(began));
            let request = pb::OpenPodSocketRequest {
                pod: Some(pod.clone()),
                volume_id: volume_id.to_owned(),
                wait_milliseconds: u32::try_from(left.as_millis()).unwrap_or(u32::MAX),
            };
            let opened = self.clock.timeout(left + MARGIN, self.client().open_pod_socket(request)).await;
            match opened.map_err(|_| self.late())? {
                Ok(_) => return Ok(()),
                Err(status) if !is_unreachable(&status) => return Err(status),
                // The kubelet's own pauses between two tries grow to minutes; an agent is back in seconds.
                Err(_) if left > PAUSE => self.clock.sleep(PAUSE).await,
                Err(status) => return Err(self.unreachable(&status)),
            }
        }
    }

    /// Tells that a volume is gone.
    pub(crate) async fn close(&self, volume_id: &str) -> Result<(), Status> {
        let request = pb::ClosePodSocketRequest { volume_id: volume_id.to_owned() };
        let closed = self.clock.timeout(MARGIN, self.client().close_pod_socket(request)).await;
        closed.map_err(|_| self.late())?.map(drop)
    }

    /// Tells which pods have their socket mounted; yields those whose sockets were closed.
    pub(crate) async fn retain(&self, pod_uids: Vec<String>) -> Result<Vec<String>, Status> {
        let request = pb::RetainPodSocketsRequest { pod_uids };
        let retained = self.clock.timeout(self.wait + MARGIN, self.client().retain_pod_sockets(request)).await;
        retained.map_err(|_| self.late())?.map(|response| response.into_inner().closed)
    }

    fn client(&self) -> PodSocketsClient<Channel> {
        PodSocketsClient::new(self.channel.clone())
    }

    fn socket(&self) -> PathBuf {
        self.folder.join(DRIVER_SOCKET)
    }

    fn late(&self) -> Status {
        Status::deadline_exceeded(format!("the agent at {} does not answer", self.socket().display()))
    }

    fn unreachable(&self, status: &Status) -> Status {
        let (socket, reason) = (self.socket(), status.message());
        Status::unavailable(format!("the node's agent can't be reached at {}: {reason}", Path::display(&socket)))
    }
}

/// Whether the call did not get as far as an agent: what an agent answers has no cause on this side.
fn is_unreachable(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}
