//! Pods that use the Workload API.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::outcome::Outcome;
use crate::until;

/// Where the node's socket is in a workload's pod.
pub const SOCKET: &str = "/spiffe/spire-agent.sock";

/// A pod of the image with busybox and a program built on go-spiffe; it sleeps unless told otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Workload<'a> {
    /// Its namespace, which exists.
    pub namespace: &'a str,
    /// Its name, and that of its service account, which is made with it.
    pub name: &'a str,
    /// What it runs, as a shell takes it.
    pub script: &'a str,
}

/// What keeps a pod alive until it is ended.
pub const SLEEP: &str = "trap 'exit 0' TERM; while :; do sleep 1; done";

impl Workload<'_> {
    /// Makes the pod and waits until it is ready.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn start(&self, cluster: &Cluster) -> Result<()> {
        cluster.apply(&self.manifest(), &[])?;
        let pod = format!("pod/{}", self.name);
        cluster.ok(&["-n", self.namespace, "wait", "--for=condition=Ready", &pod, "--timeout=180s"]).map(drop)
    }

    /// Runs a command in the pod's container.
    ///
    /// # Errors
    /// When kubectl cannot start.
    pub fn exec(&self, cluster: &Cluster, words: &[&str]) -> Result<Outcome> {
        cluster.kubectl(&[&["-n", self.namespace, "exec", self.name, "--"], words].concat())
    }

    /// The SPIFFE IDs that the Workload API gives the pod now, one a line; the refusal when there are none.
    ///
    /// # Errors
    /// When kubectl cannot start.
    pub fn ids(&self, cluster: &Cluster) -> Result<Outcome> {
        self.exec(cluster, &["workload", "ids", SOCKET])
    }

    /// Waits until the pod has exactly the identity `id`.
    ///
    /// # Errors
    /// When it does not get it.
    pub fn await_id(&self, cluster: &Cluster, id: &str) -> Result<()> {
        until::ok(id, || {
            let outcome = self.ids(cluster)?;
            if outcome.exit != 0 || outcome.stdout.trim() != id {
                bail!("{outcome}");
            }
            Ok(())
        })
    }

    /// Address of the pod in the cluster's network.
    ///
    /// # Errors
    /// When the pod is gone.
    pub fn address(&self, cluster: &Cluster) -> Result<String> {
        cluster.ok(&["-n", self.namespace, "get", "pod", self.name, "-o", "jsonpath={.status.podIP}"])
    }

    /// The control group of the pod's container, as the node's root has it.
    ///
    /// # Errors
    /// When the container is not known yet.
    pub fn control_group(&self, cluster: &Cluster) -> Result<String> {
        let pod = cluster.json(&["-n", self.namespace, "get", "pod", self.name])?;
        let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).context(pointer.to_owned());
        let uid = text("/metadata/uid")?;
        let container = text("/status/containerStatuses/0/containerID")?;
        let container = container.trim_start_matches("containerd://");
        Ok(format!("/kubepods/besteffort/pod{uid}/{container}"))
    }

    fn manifest(&self) -> String {
        let Self { namespace, name, script } = self;
        format!(
            r"apiVersion: v1
kind: ServiceAccount
metadata: {{name: {name}, namespace: {namespace}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}}}}}
spec:
  serviceAccountName: {name}
  terminationGracePeriodSeconds: 1
  containers:
  - name: workload
    image: workload:local
    imagePullPolicy: Never
    command: [/bin/sh, -c, {script:?}]
    volumeMounts: [{{name: socket, mountPath: /spiffe, readOnly: true}}]
  volumes:
  - {{name: socket, hostPath: {{path: /run/steeple/agent-sockets, type: Directory}}}}
"
        )
    }
}
