//! A driver from its configuration: what it serves, and how it stops.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use steeple_clock::Clock;
use steeple_net::{Callers, Limits, serve_uds, uds};
use steeple_proto::csi::v1::identity_server::IdentityServer;
use steeple_proto::csi::v1::node_server::NodeServer;
use steeple_proto::pluginregistration::registration_server::RegistrationServer;
use steeple_runtime::{Failure, OnExit, Shutdown, Supervisor};
use tonic::service::Routes;
use tracing::{debug, info};

use crate::mounts::Mounts;
use crate::pod_sockets::PodSockets;
use crate::{identity, node, registration};

/// How long calls may go on after a stop.
const GRACE: Duration = Duration::from_secs(5);
/// How often the agent is told which sockets of pods are in use: what was not told when it happened is caught up with.
const RETAIN: Duration = Duration::from_mins(10);
/// Pause after a time at which the agent could not be told.
const RETRY: Duration = Duration::from_secs(15);

/// What a driver is told.
#[derive(Clone, Debug)]
pub struct DriverConfig {
    /// Name of the node, which the kubelet is told.
    pub node_id: String,
    /// Name of the driver.
    pub plugin_name: String,
    /// Version that the driver reports.
    pub version: String,
    /// Where the driver takes the kubelet's calls.
    pub csi_socket_path: PathBuf,
    /// The folder of the agent's public socket.
    pub workload_api_socket_dir: PathBuf,
    /// How the kubelet is told of the driver; by somebody else if not at all.
    pub registration: Option<KubeletRegistration>,
    /// Where sockets of pods are, if there are any.
    pub pod_sockets: Option<PodSocketsConfig>,
}

/// How a kubelet is told of the driver.
#[derive(Clone, Debug)]
pub struct KubeletRegistration {
    /// The kubelet's folder for sockets of plugins.
    pub folder: PathBuf,
    /// The driver's socket as the kubelet sees it.
    pub endpoint: String,
}

/// Where sockets of pods are.
#[derive(Clone, Debug)]
pub struct PodSocketsConfig {
    /// The agent's folder for them.
    pub folder: PathBuf,
    /// How long a mount waits for the identity of its pod.
    pub identity_timeout: Duration,
}

/// Why a driver could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum CsiError {
    /// A setting is missing.
    #[error("{0} is required")]
    Missing(&'static str),
    /// A socket could not be bound.
    #[error(transparent)]
    Socket(#[from] uds::BindError),
    /// A task without which the driver can't go on has failed.
    #[error(transparent)]
    Task(#[from] Failure),
}

/// A driver.
pub struct Driver {
    pub(crate) config: DriverConfig,
    pub(crate) mounts: Arc<dyn Mounts>,
    pub(crate) pod_sockets: Option<PodSockets>,
    /// Whose turn it is to mount or unmount.
    pub(crate) mounting: Mutex<()>,
    clock: Clock,
}

impl Driver {
    /// A driver that mounts by `mounts`.
    ///
    /// # Errors
    /// [`CsiError::Missing`] in spiffe-csi's words.
    pub fn new(config: DriverConfig, mounts: Arc<dyn Mounts>, clock: Clock) -> Result<Self, CsiError> {
        if config.node_id.is_empty() {
            return Err(CsiError::Missing("node ID"));
        }
        if config.workload_api_socket_dir.as_os_str().is_empty() {
            return Err(CsiError::Missing("workload API socket directory"));
        }
        let pod_sockets = config.pod_sockets.clone().map(|sockets| PodSockets::new(sockets, clock.clone()));
        Ok(Self { config, mounts, pod_sockets, mounting: Mutex::new(()), clock })
    }

    /// Serves the kubelet until the shutdown.
    ///
    /// # Errors
    /// [`CsiError`] of what kept the driver from starting or made it stop.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), CsiError> {
        let driver = Arc::new(self);
        let supervisor = Supervisor::new(shutdown.clone(), driver.clock.clone());
        let started = driver.start(&supervisor);
        if started.is_err() {
            shutdown.trigger();
        }
        let ended = supervisor.run_to_end(GRACE * 2).await;
        // A socket in the kubelet's folder is a plugin that is there.
        let _gone = driver.registration_socket().map(std::fs::remove_file);
        started?;
        let _gone = std::fs::remove_file(&driver.config.csi_socket_path);
        Ok(ended?)
    }

    fn start(self: &Arc<Self>, supervisor: &Supervisor) -> Result<(), CsiError> {
        let mut routes = Routes::builder();
        routes.add_service(IdentityServer::new(identity::Service(Arc::clone(self))));
        routes.add_service(NodeServer::new(node::Service(Arc::clone(self))));
        self.serve(supervisor, "CSI", &self.config.csi_socket_path, routes.routes())?;
        // The kubelet calls back as soon as it sees the other socket.
        if let (Some(registration), Some(path)) = (&self.config.registration, self.registration_socket()) {
            let service = registration::Service { driver: Arc::clone(self), endpoint: registration.endpoint.clone() };
            self.serve(supervisor, "registration", &path, Routes::new(RegistrationServer::new(service)))?;
        }
        if self.pod_sockets.is_some() {
            let (driver, shutdown) = (Arc::clone(self), supervisor.shutdown().clone());
            supervisor.spawn("pod sockets", OnExit::StopProcess, async move {
                let _stopped = shutdown.until(driver.retain_for_ever()).await;
                Ok::<_, String>(())
            });
        }
        Ok(())
    }

    fn serve(
        &self,
        supervisor: &Supervisor,
        name: &str,
        path: &std::path::Path,
        routes: Routes,
    ) -> Result<(), CsiError> {
        let listener = uds::bind(path, 0o750, 0o600)?;
        info!(address = %path.display(), "Listening for {name} calls");
        let limits = Limits { grace: GRACE, ..Limits::LOCAL };
        let (clock, shutdown) = (self.clock.clone(), supervisor.shutdown().clone());
        let serve = serve_uds(listener, routes, Callers::Root, limits, clock, shutdown);
        supervisor.spawn(name, OnExit::StopProcess, serve);
        Ok(())
    }

    fn registration_socket(&self) -> Option<PathBuf> {
        let name = format!("{}-reg.sock", self.config.plugin_name);
        self.config.registration.as_ref().map(|registration| registration.folder.join(name))
    }

    async fn retain_for_ever(&self) {
        loop {
            let told = self.retain().await;
            self.clock.sleep(if told { RETAIN } else { RETRY }).await;
        }
    }

    /// Tells the agent which sockets of pods are in use.
    async fn retain(&self) -> bool {
        let Some(sockets) = &self.pod_sockets else { return true };
        let uids = self.pods_with_sockets().map_err(|error: io::Error| error.to_string());
        let closed = match uids {
            Ok(uids) => sockets.retain(uids).await.map_err(|status| status.message().to_owned()),
            Err(error) => Err(error),
        };
        match closed {
            Ok(closed) => {
                for pod_uid in closed {
                    info!(pod_uid, "Agent closed the socket of a pod that is gone");
                }
                true
            }
            Err(error) => {
                debug!(error, "Agent could not be told which sockets of pods are in use");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use crate::testing::{Bench, UID};

    #[tokio::test]
    async fn agent_learns_which_sockets_of_pods_are_in_use() {
        let bench = Bench::place();
        let own = bench.pod_sockets().join(UID);
        bench.mounts.push(&bench.target(UID), &own);
        let shared = UID.replace('7', "8");
        bench.mounts.push(&bench.target(&shared), &bench.node_sockets());
        bench.agent.serve(&bench.pod_sockets());
        bench.start(Some(Duration::from_secs(20)), false).await;
        assert_eq!(bench.agent.retained().await, [UID]);
    }

    #[tokio::test]
    async fn only_the_drivers_user_may_call_it() {
        let bench = Bench::new().await;
        bench.introduction().await;
        let mode = std::fs::metadata(bench.csi_socket()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
