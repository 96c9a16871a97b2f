//! Sockets of pods: on each of them the caller is one pod, as the kubelet told of it when it had the socket mounted.
//!
//! Who reaches a pod's socket is that pod: its folder is shown to the pod alone, and all of them are in a folder that only
//! root enters. A process is never looked at, so neither `hostPID` nor a PID that passes to another matters.

mod identity;
mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use parking_lot::Mutex;
use steeple_net::{Callers, Limits, serve_uds, uds};
use steeple_plugin::MountedPod;
use steeple_runtime::{OnExit, Shutdown, Supervisor};
use steeple_types::PodUid;
use tonic::Status;
use tracing::{debug, error, info};

use crate::agent::CALL_GRACE;
use crate::api::{Gate, public_routes};
use crate::core::Core;

use self::record::{Record, Records};

/// Name of a pod's socket in its folder.
const POD_SOCKET: &str = "spire-agent.sock";
/// Name of the socket on which the CSI driver calls.
const DRIVER_SOCKET: &str = "driver.sock";
/// Most sockets of pods at once: some times what a node may run.
const MAX_PODS: usize = 2_048;
/// Most volumes of a pod.
const MAX_VOLUMES: usize = 64;
/// How long a socket is let alone that the driver does not name: a kubelet gives a mount two minutes.
const YOUTH: Duration = Duration::from_secs(150);
/// How long a workload attestor may take to know a pod that runs.
const LOOK: Duration = Duration::from_secs(5);

/// The sockets of the pods of this node.
pub(crate) struct PodSockets {
    core: Arc<Core>,
    supervisor: Supervisor,
    folder: PathBuf,
    records: Records,
    gate: Gate,
    open: Mutex<BTreeMap<PodUid, OpenSocket>>,
}

/// A socket that is served.
struct OpenSocket {
    pod: Arc<MountedPod>,
    volumes: BTreeSet<String>,
    /// When it was opened, on the monotonic clock.
    since: Duration,
    shutdown: Shutdown,
}

impl PodSockets {
    /// The sockets in `folder`, which is made so that only root enters it. None is opened yet.
    ///
    /// # Errors
    /// When the folder can't be made private; the error names it.
    pub(crate) fn new(core: &Arc<Core>, supervisor: &Supervisor, folder: &Path) -> io::Result<Self> {
        let named = |error: io::Error| {
            let way_out = "the agent must own it; choose another with pod_sockets.directory";
            io::Error::new(
                error.kind(),
                format!("unable to use {} for sockets of pods: {error}; {way_out}", folder.display()),
            )
        };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(named)?;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).map_err(named)?;
        let records = Records::new(folder).map_err(named)?;
        Ok(Self {
            core: Arc::clone(core),
            supervisor: supervisor.clone(),
            folder: folder.to_owned(),
            records,
            gate: public_routes(core),
            open: Mutex::default(),
        })
    }

    /// Where the CSI driver calls.
    pub(crate) fn driver_socket(&self) -> PathBuf {
        self.folder.join(DRIVER_SOCKET)
    }

    /// Opens the sockets that were open when the agent ended, and removes what belongs to none.
    ///
    /// # Errors
    /// When the folder can't be read. A socket that can't be opened is told of in the log and keeps its record.
    pub(crate) fn restore(&self) -> io::Result<()> {
        let mut open = self.open.lock();
        let known = self.records.read()?;
        for Record { pod, volumes } in &known {
            let Some(uid) = uid(pod).ok() else { continue };
            match self.listen(&uid, pod) {
                Ok(shutdown) => {
                    let socket = self.socket(Arc::new(pod.clone()), volumes.clone(), shutdown);
                    open.insert(uid, socket);
                }
                Err(error) => {
                    error!(%error, pod_uid = %uid, subsystem_name = "pods", "Could not open the socket of a pod again");
                }
            }
        }
        for item in std::fs::read_dir(&self.folder)? {
            let name = item?.file_name();
            let Some(uid) = name.to_str().and_then(|name| PodUid::parse(name).ok()) else { continue };
            if !self.records.has(&uid) {
                self.remove_folder(&uid);
            }
        }
        info!(count = open.len(), subsystem_name = "pods", "Sockets of pods are open again");
        Ok(())
    }

    /// Opens the socket of `pod` for a volume, once the pod's identity can be issued, for which it waits.
    ///
    /// # Errors
    /// A status that tells why there is no identity or no socket.
    pub(crate) async fn open(&self, pod: MountedPod, volume: &str, wait: Duration) -> Result<(), Status> {
        let uid = uid(&pod)?;
        check_volume(volume)?;
        identity::issuable(&self.core, &pod, wait).await?;
        let mut open = self.open.lock();
        if let Some(socket) = open.get_mut(&uid) {
            return self.add_volume(socket, &pod, volume);
        }
        if open.len() >= MAX_PODS {
            return Err(Status::resource_exhausted(format!("there are {MAX_PODS} sockets of pods already")));
        }
        let volumes = BTreeSet::from([volume.to_owned()]);
        let record = Record { pod, volumes };
        // What has a record is found again after a crash.
        self.records.write(&uid, &record).map_err(|error| failed(&uid, &error))?;
        let shutdown = self.listen(&uid, &record.pod).inspect_err(|_| {
            self.remove_folder(&uid);
            self.records.remove(&uid);
        });
        let shutdown = shutdown.map_err(|error| failed(&uid, &error))?;
        let Record { pod, volumes } = record;
        let (namespace, name) = (&pod.namespace, &pod.name);
        info!(pod_uid = %uid, namespace, name, volume, subsystem_name = "pods", "Socket of a pod is open");
        open.insert(uid, self.socket(Arc::new(pod), volumes, shutdown));
        Ok(())
    }

    /// Gives a volume back; the last one of a pod closes its socket.
    ///
    /// # Errors
    /// When what is left can't be recorded.
    pub(crate) fn close(&self, volume: &str) -> Result<(), Status> {
        let mut open = self.open.lock();
        let found = open.iter_mut().find(|(_, socket)| socket.volumes.contains(volume));
        let Some((uid, socket)) = found.map(|(uid, socket)| (uid.clone(), socket)) else { return Ok(()) };
        if socket.volumes.len() > 1 {
            let mut volumes = socket.volumes.clone();
            volumes.remove(volume);
            let record = Record { pod: MountedPod::clone(&socket.pod), volumes };
            self.records.write(&uid, &record).map_err(|error| failed(&uid, &error))?;
            socket.volumes = record.volumes;
            return Ok(());
        }
        self.end(&mut open, &uid);
        Ok(())
    }

    /// Closes the sockets of pods that are not among `used` and that no workload attestor knows any more.
    pub(crate) async fn retain(&self, used: &BTreeSet<String>) -> Vec<String> {
        let now = self.core.clock.monotonic();
        let idle: Vec<(PodUid, Arc<MountedPod>)> = {
            let open = self.open.lock();
            let idle = open
                .iter()
                .filter(|(uid, socket)| !used.contains(uid.as_str()) && now.saturating_sub(socket.since) >= YOUTH);
            idle.map(|(uid, socket)| (uid.clone(), Arc::clone(&socket.pod))).collect()
        };
        // A driver that sees no mounts must not take the sockets of pods that run. Who is not known at once is gone.
        let looks = idle.iter().map(|(_, pod)| self.core.clock.timeout(LOOK, self.core.attestation.attest_pod(pod)));
        let looks = join_all(looks).await;
        let mut closed = Vec::new();
        for ((uid, pod), look) in idle.into_iter().zip(looks) {
            let mut open = self.open.lock();
            let same = open.get(&uid).is_some_and(|socket| Arc::ptr_eq(&socket.pod, &pod));
            if same && !matches!(look, Ok(Ok(_))) {
                self.end(&mut open, &uid);
                closed.push(uid.to_string());
            }
        }
        closed
    }

    /// Takes away the sockets, when nobody listens on them any more; they are opened again by their records.
    pub(crate) fn remove_sockets(&self) {
        for uid in self.open.lock().keys() {
            let _gone = std::fs::remove_file(self.path(uid));
        }
        let _gone = std::fs::remove_file(self.driver_socket());
    }

    fn add_volume(&self, socket: &mut OpenSocket, pod: &MountedPod, volume: &str) -> Result<(), Status> {
        if *socket.pod != *pod {
            let MountedPod { uid, namespace, name, .. } = &*socket.pod;
            return Err(Status::permission_denied(format!("the socket of pod {uid} is that of {namespace}/{name}")));
        }
        if socket.volumes.contains(volume) {
            return Ok(());
        }
        if socket.volumes.len() >= MAX_VOLUMES {
            return Err(Status::resource_exhausted(format!("pod {} has {MAX_VOLUMES} volumes already", pod.uid)));
        }
        let mut volumes = socket.volumes.clone();
        volumes.insert(volume.to_owned());
        let record = Record { pod: pod.clone(), volumes };
        let uid = uid(pod)?;
        self.records.write(&uid, &record).map_err(|error| failed(&uid, &error))?;
        socket.volumes = record.volumes;
        Ok(())
    }

    fn end(&self, open: &mut BTreeMap<PodUid, OpenSocket>, uid: &PodUid) {
        let Some(socket) = open.remove(uid) else { return };
        socket.shutdown.trigger();
        self.remove_folder(uid);
        self.records.remove(uid);
        info!(pod_uid = %uid, subsystem_name = "pods", "Socket of a pod is closed");
    }

    /// Binds the socket of a pod and serves it until the returned token is triggered.
    fn listen(&self, uid: &PodUid, pod: &MountedPod) -> Result<Shutdown, uds::BindError> {
        let listener = uds::bind(&self.path(uid), 0o755, 0o777)?;
        let shutdown = self.supervisor.shutdown().child();
        let routes = self.gate.clone().of_pod(Arc::new(pod.clone()));
        let limits = Limits { grace: CALL_GRACE, ..Limits::LOCAL };
        let serve = serve_uds(listener, routes, Callers::Users, limits, self.core.clock.clone(), shutdown.clone());
        self.supervisor.spawn("pod listener", OnExit::Log, serve);
        Ok(shutdown)
    }

    fn socket(&self, pod: Arc<MountedPod>, volumes: BTreeSet<String>, shutdown: Shutdown) -> OpenSocket {
        OpenSocket { pod, volumes, since: self.core.clock.monotonic(), shutdown }
    }

    fn path(&self, uid: &PodUid) -> PathBuf {
        self.folder.join(uid.as_str()).join(POD_SOCKET)
    }

    fn remove_folder(&self, uid: &PodUid) {
        let _gone = std::fs::remove_file(self.path(uid));
        if let Err(error) = std::fs::remove_dir(self.folder.join(uid.as_str())) {
            debug!(%error, pod_uid = %uid, subsystem_name = "pods", "Folder of a pod's socket is left");
        }
    }
}

/// The UID of a pod whose names are of Kubernetes' forms.
fn uid(pod: &MountedPod) -> Result<PodUid, Status> {
    let invalid = |what: &str, value: &str| {
        let value: String = value.chars().take(64).collect();
        Status::invalid_argument(format!("{what} {value:?} is not a name in Kubernetes"))
    };
    for (what, value) in [("namespace", &pod.namespace), ("pod", &pod.name), ("service account", &pod.service_account)]
    {
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
        if value.is_empty() || value.len() > 253 || !value.bytes().all(letter) {
            return Err(invalid(what, value));
        }
    }
    PodUid::parse(&pod.uid).map_err(|error| Status::invalid_argument(error.to_string()))
}

fn check_volume(volume: &str) -> Result<(), Status> {
    if volume.is_empty() || volume.len() > 256 || volume.chars().any(char::is_control) {
        return Err(Status::invalid_argument("the volume's ID is empty, longer than 256 bytes, or no plain text"));
    }
    Ok(())
}

fn failed(uid: &PodUid, error: &dyn std::fmt::Display) -> Status {
    Status::internal(format!("unable to open the socket of pod {uid}: {error}"))
}
