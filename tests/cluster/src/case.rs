//! One case: its turn on the cluster, its namespaces, and what is told when it fails.

use std::sync::{OnceLock, RwLock};

use anyhow::{Context, Result, anyhow};
use serde_json::Value;

use crate::cluster::{self, Cluster};
use crate::installation::{self, Entry, NAMESPACE};
use crate::{id, image, peer};

/// What a cluster case cannot do without.
const PEERS: &[&str] = &["kubernetes", "steeple", "workload", "busybox"];

/// The cluster of the run: made by the first case, for all.
static CLUSTER: OnceLock<Result<Cluster, String>> = OnceLock::new();
/// Held to read by cases that share the installation, to write by those that disturb it.
static TURN: RwLock<()> = RwLock::new(());

/// Runs a case beside others; left out when a peer is absent.
///
/// # Panics
/// When the case fails: with its error, after the state of its namespaces.
pub fn case(name: &str, case: impl FnOnce(&Case<'_>) -> Result<()>) {
    case_with(name, &[], case);
}

/// As [`case`]; left out when one of `peers` is absent, too.
///
/// # Panics
/// As [`case`].
pub fn case_with(name: &str, peers: &[&str], case: impl FnOnce(&Case<'_>) -> Result<()>) {
    let _turn = TURN.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    attempt(name, peers, case);
}

/// Runs a case while no other runs, because it disturbs the installation.
///
/// # Panics
/// As [`case`].
pub fn alone(name: &str, case: impl FnOnce(&Case<'_>) -> Result<()>) {
    let _turn = TURN.write().unwrap_or_else(std::sync::PoisonError::into_inner);
    attempt(name, &[], case);
}

/// Runs a case on a cluster of its own that has the images and no steeple; left out when a peer is absent.
///
/// # Panics
/// When the case fails, after the state of steeple's namespace.
pub fn bare(name: &str, peers: &[&str], case: impl FnOnce(&Cluster) -> Result<()>) {
    empty(name, peers, |cluster| {
        image::load(cluster)?;
        case(cluster)
    });
}

/// As [`bare`], on a cluster that has not even the images; left out where clusters are not made.
///
/// # Panics
/// As [`bare`].
#[expect(clippy::panic, reason = "a failed case is a panic of its test")]
pub fn empty(name: &str, peers: &[&str], case: impl FnOnce(&Cluster) -> Result<()>) {
    let run = || {
        if !can_make(peers)? {
            return Ok(());
        }
        let cluster = Cluster::of_its_own(name)?;
        let result = case(&cluster);
        if result.is_err() {
            show(&cluster, NAMESPACE);
        }
        result
    };
    if let Err(error) = run() {
        panic!("{error:#}");
    }
}

/// Whether a cluster for cases alone can be made; if not, the case is left out and noted.
pub(crate) fn can_make(peers: &[&str]) -> Result<bool> {
    if peer::missing(&[PEERS, peers].concat())? {
        return Ok(false);
    }
    if cluster::mode()? == "kubeconfig" {
        peer::skipped("a case that wants a cluster of its own is not run on that of KUBECONFIG")?;
        return Ok(false);
    }
    Ok(true)
}

#[expect(clippy::panic, reason = "a failed case is a panic of its test")]
fn attempt(name: &str, peers: &[&str], case: impl FnOnce(&Case<'_>) -> Result<()>) {
    let run = || {
        if peer::missing(&[PEERS, peers].concat())? {
            return Ok(());
        }
        let case_ = Case { cluster: shared()?, name: name.to_owned() };
        let result = case(&case_);
        case_.end(result.is_err());
        result
    };
    if let Err(error) = run() {
        panic!("{error:#}");
    }
}

/// The cluster of the run, with steeple on it.
fn shared() -> Result<&'static Cluster> {
    let made = CLUSTER.get_or_init(|| {
        let cluster = Cluster::up().map_err(|error| format!("{error:#}"))?;
        installation::install(&cluster).map_err(|error| {
            show(&cluster, NAMESPACE);
            format!("{error:#}")
        })?;
        Ok(cluster)
    });
    made.as_ref().map_err(|error| anyhow!("the cluster of the run: {error}"))
}

/// A case on the cluster.
#[derive(Debug)]
pub struct Case<'c> {
    /// The cluster of the run.
    pub cluster: &'c Cluster,
    name: String,
}

impl Case<'_> {
    /// Makes a namespace of this case's own; returns its name.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub fn namespace(&self, role: &str) -> Result<String> {
        let name = format!("{}-{role}", self.name);
        self.is_gone(&name)?;
        let manifest = format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {{steeple-case: {}}}}}}}",
            self.name
        );
        self.cluster.apply(&manifest, &[])?;
        Ok(name)
    }

    /// Waits until a namespace of this name from a run before is gone: what is still in it looks as if it had been made anew.
    fn is_gone(&self, name: &str) -> Result<()> {
        let phase = ["get", "namespace", name, "--ignore-not-found", "-o", "jsonpath={.status.phase}"];
        if self.cluster.ok(&phase)? == "Terminating" {
            self.cluster.ok(&["wait", "--for=delete", &format!("namespace/{name}"), "--timeout=180s"])?;
        }
        Ok(())
    }

    /// Gives the node an image of Go SPIRE, `go-spire:local`, with what workloads' images have.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn load_go_spire(&self) -> Result<()> {
        image::load_go_spire(self.cluster)
    }

    /// Creates a registration entry below the node's agent; returns its id.
    ///
    /// # Errors
    /// When the server refuses it.
    pub fn entry(&self, entry: Entry<'_>) -> Result<String> {
        let agent = self.agent()?;
        let spiffe_id = id(entry.path);
        let mut create = vec!["entry", "create", "-spiffeID", &spiffe_id, "-parentID", &agent];
        create.extend(entry.selectors.iter().flat_map(|selector| ["-selector", selector]));
        let answer = installation::server(self.cluster, &create)?;
        let id = answer.pointer("/results/0/entry/id").and_then(Value::as_str);
        Ok(id.with_context(|| format!("no entry in {answer}"))?.to_owned())
    }

    /// The SPIFFE ID of the node's agent.
    ///
    /// # Errors
    /// When there is none.
    pub fn agent(&self) -> Result<String> {
        let agents = installation::agents(self.cluster)?;
        let path = agents.first().and_then(|agent| agent.pointer("/id/path")).and_then(Value::as_str);
        Ok(id(path.context("no agent is attested")?.trim_start_matches('/')))
    }

    /// Runs a command of the server and reads what it prints as JSON.
    ///
    /// # Errors
    /// When it fails.
    pub fn server(&self, arguments: &[&str]) -> Result<Value> {
        installation::server(self.cluster, arguments)
    }

    /// Tells the state of the case's namespaces and the installation when it failed, and removes the namespaces.
    fn end(&self, failed: bool) {
        let label = format!("steeple-case={}", self.name);
        if failed {
            let names =
                self.cluster.ok(&["get", "namespaces", "-l", &label, "-o", "jsonpath={.items[*].metadata.name}"]);
            for namespace in names.unwrap_or_default().split_whitespace().chain([NAMESPACE]) {
                show(self.cluster, namespace);
            }
        }
        if !failed || std::env::var_os("STEEPLE_KEEP").is_none() {
            let _ = self.cluster.kubectl(&["delete", "namespaces", "-l", &label, "--wait=false"]);
        }
    }
}

/// Prints what a person would look at first.
pub(crate) fn show(cluster: &Cluster, namespace: &str) {
    let questions: [&[&str]; 4] = [
        &["get", "all", "-o", "wide"],
        &["get", "events", "--sort-by=.lastTimestamp"],
        &["describe", "pods"],
        &["logs", "--all-containers", "--prefix", "--tail=60", "--selector=app"],
    ];
    for question in questions {
        let outcome = cluster.kubectl(&[&["-n", namespace], question].concat());
        let text = outcome.map_or_else(|error| format!("{error:#}"), |outcome| outcome.stdout + &outcome.stderr);
        let lines: Vec<&str> = text.lines().collect();
        let end = lines.get(lines.len().saturating_sub(150)..).unwrap_or_default();
        eprintln!("--- {namespace}: kubectl {}\n{}", question.join(" "), end.join("\n"));
    }
}
