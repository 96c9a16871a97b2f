//! Volumes of the CSI driver: the agent's socket for all, and sockets of pods.

use anyhow::{Result, ensure};
use steeple_tests_cluster::{Case, Entry, Outcome, SLEEP, alone, case, id, until};

/// A pod with a volume of the CSI driver, and what it runs.
struct Mounting<'a> {
    namespace: &'a str,
    name: &'a str,
    /// The volume's attribute `steeple.dev/socket`.
    socket: &'a str,
    script: &'a str,
}

impl Mounting<'_> {
    fn make(&self, case: &Case<'_>) -> Result<()> {
        let Self { namespace, name, socket, script } = self;
        let manifest = format!(
            r"apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}}}}}
spec:
  terminationGracePeriodSeconds: 1
  automountServiceAccountToken: false
  securityContext: {{runAsNonRoot: true, runAsUser: 12345, seccompProfile: {{type: RuntimeDefault}}}}
  containers:
  - name: workload
    image: workload:local
    imagePullPolicy: Never
    command: [/bin/sh, -c, {script:?}]
    securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
    volumeMounts: [{{name: spiffe, mountPath: /spiffe, readOnly: true}}]
  volumes:
  - name: spiffe
    csi: {{driver: csi.spiffe.io, readOnly: true, volumeAttributes: {{steeple.dev/socket: {socket}}}}}
"
        );
        case.cluster.apply(&manifest, &[])
    }

    fn ready(&self, case: &Case<'_>) -> Result<()> {
        let pod = format!("pod/{}", self.name);
        let wait = ["-n", self.namespace, "wait", "--for=condition=Ready", &pod, "--timeout=180s"];
        case.cluster.ok(&wait).map(drop)
    }

    /// The IDs that the pod gets at its socket.
    fn ids(&self, case: &Case<'_>) -> Result<Outcome> {
        let words = ["workload", "ids", "/spiffe/spire-agent.sock"];
        case.cluster.kubectl(&[&["-n", self.namespace, "exec", self.name, "--"][..], &words].concat())
    }

    fn has(&self, case: &Case<'_>, id: &str) -> Result<()> {
        let outcome = self.ids(case)?;
        ensure!(outcome.exit == 0 && outcome.stdout.trim() == id, "{outcome}");
        Ok(())
    }

    fn delete(&self, case: &Case<'_>) -> Result<()> {
        case.cluster.ok(&["-n", self.namespace, "delete", "pod", self.name, "--timeout=120s"]).map(drop)
    }
}

/// An entry for all pods of a namespace; yields the ID.
fn of_namespace(case: &Case<'_>, namespace: &str) -> Result<String> {
    let path = format!("ns/{namespace}");
    case.entry(Entry { path: &path, selectors: &[&format!("k8s:ns:{namespace}")] })?;
    Ok(id(&path))
}

#[test]
fn pod_has_its_identity_on_its_own_socket_by_its_first_call() {
    case("own-socket", |case| {
        let namespace = case.namespace("a")?;
        let id = of_namespace(case, &namespace)?;
        // The container's first deed is the call; it does not try again.
        let script = format!("workload ids /spiffe/spire-agent.sock >/tmp/first 2>&1; echo $? >/tmp/status; {SLEEP}");
        let pod = Mounting { namespace: &namespace, name: "first", socket: "pod", script: &script };
        pod.make(case)?;
        pod.ready(case)?;
        let first = until::ok("the first call's end", || {
            case.cluster.ok(&["-n", &namespace, "exec", "first", "--", "sh", "-c", "cat /tmp/status /tmp/first"])
        })?;
        ensure!(first.trim() == format!("0\n{id}"), "{first}");
        pod.delete(case)
    });
}

#[test]
fn pod_without_an_entry_stays_before_its_mount_and_its_events_say_why() {
    case("no-mount", |case| {
        let namespace = case.namespace("a")?;
        let pod = Mounting { namespace: &namespace, name: "nobody", socket: "pod", script: SLEEP };
        pod.make(case)?;
        let described = until::some("a telling event", || {
            let described = case.cluster.ok(&["-n", &namespace, "describe", "pod", "nobody"])?;
            Ok(described.contains("no identity is registered for pod").then_some(described))
        })?;
        ensure!(described.contains("FailedMount") && described.contains("ContainerCreating"), "{described}");
        ensure!(described.contains(&format!("{namespace}/nobody")), "{described}");
        let id = of_namespace(case, &namespace)?;
        pod.ready(case)?;
        pod.has(case, &id)?;
        pod.delete(case)
    });
}

#[test]
fn volume_without_an_attribute_of_its_own_shows_the_nodes_socket() {
    case("node-socket", |case| {
        let namespace = case.namespace("a")?;
        let id = of_namespace(case, &namespace)?;
        let pod = Mounting { namespace: &namespace, name: "shared", socket: "node", script: SLEEP };
        pod.make(case)?;
        pod.ready(case)?;
        until::ok(&id, || pod.has(case, &id))?;
        pod.delete(case)
    });
}

#[test]
fn socket_of_a_pod_outlives_agent_driver_and_kubelet() {
    alone("outlives", |case| {
        let Some(node) = case.cluster.node()? else { return Ok(()) };
        let namespace = case.namespace("a")?;
        let id = of_namespace(case, &namespace)?;
        let pod = Mounting { namespace: &namespace, name: "stays", socket: "pod", script: SLEEP };
        pod.make(case)?;
        pod.ready(case)?;
        pod.has(case, &id)?;
        for what in ["steeple-agent", "steeple-csi"] {
            let delete =
                ["-n", "steeple", "delete", "pod", "-l", &format!("app={what}"), "--force", "--grace-period=0"];
            case.cluster.ok(&delete)?;
            until::ok(&id, || pod.has(case, &id))?;
        }
        node.restart_kubelet()?;
        until::ok(&id, || pod.has(case, &id))?;
        // The driver registers with the new kubelet, and mounts and unmounts go on.
        let next = Mounting { namespace: &namespace, name: "next", socket: "pod", script: SLEEP };
        next.make(case)?;
        next.ready(case)?;
        next.has(case, &id)?;
        next.delete(case)?;
        pod.delete(case)
    });
}
