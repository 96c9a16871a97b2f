//! The cluster of the run, made and asked through `bed/cluster`.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::node::Node;
use crate::outcome::Outcome;
use crate::peer;

/// A cluster that is up.
#[derive(Debug)]
pub struct Cluster {
    name: String,
    /// While this process lives it holds a lock on the file; when that is gone, however it ended, the cluster goes too.
    owner: Option<(NamedTempFile, File)>,
}

impl Cluster {
    /// The cluster that `STEEPLE_CLUSTER` names when it is up already, which is kept; or one that ends with this process.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn up() -> Result<Self> {
        let named = std::env::var("STEEPLE_CLUSTER").ok().filter(|name| !name.is_empty());
        let name = named.clone().unwrap_or_else(|| format!("tests-{}", std::process::id()));
        let cluster = Self { name, owner: None };
        if named.is_some() && cluster.bed(&["status"], "")?.exit == 0 {
            return Ok(cluster);
        }
        cluster.make()
    }

    /// A cluster for one case, that ends with this process.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn of_its_own(name: &str) -> Result<Self> {
        Self { name: format!("{name}-{}", std::process::id()), owner: None }.make()
    }

    fn make(mut self) -> Result<Self> {
        let file = NamedTempFile::new().context("making the owner's lock")?;
        let lock = file.reopen()?;
        flock(&lock, FlockOperation::LockExclusive).context("locking the owner's lock")?;
        let path = file.path().to_str().context("a temporary folder whose name is no UTF-8")?;
        let up = self.bed(&["up", "--owner", path], "")?;
        if up.exit != 0 {
            bail!("cluster up: {up}");
        }
        self.owner = Some((file, lock));
        Ok(self)
    }

    /// Its name, as `STEEPLE_CLUSTER` takes it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its node; where that is out of reach the case is left out, which is noted.
    ///
    /// # Errors
    /// When the kind of cluster is not known, or the case cannot be noted.
    pub fn node(&self) -> Result<Option<Node<'_>>> {
        let is_here = mode()? == "bed";
        if !is_here {
            peer::skipped("processes and files of the node are in reach on a cluster of this machine only")?;
        }
        Ok(is_here.then_some(Node::of(self)))
    }

    /// Runs one command of `bed/cluster`.
    ///
    /// # Errors
    /// When it cannot start.
    fn bed(&self, arguments: &[&str], input: &str) -> Result<Outcome> {
        Outcome::of(&mut self.command(arguments), input)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(peer::script());
        command.args(arguments).env("STEEPLE_CLUSTER", &self.name);
        command
    }

    /// Runs kubectl as cluster admin.
    ///
    /// # Errors
    /// When it cannot start.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<Outcome> {
        self.bed(&[&["kubectl"], arguments].concat(), "")
    }

    /// Runs kubectl, which must end well; returns what it prints.
    ///
    /// # Errors
    /// When it ends otherwise.
    pub fn ok(&self, arguments: &[&str]) -> Result<String> {
        self.ok_with(arguments, "")
    }

    /// As [`ok`](Self::ok), with `input` on the standard input.
    ///
    /// # Errors
    /// As [`ok`](Self::ok).
    pub fn ok_with(&self, arguments: &[&str], input: &str) -> Result<String> {
        let outcome = self.bed(&[&["kubectl"], arguments].concat(), input)?;
        if outcome.exit != 0 {
            bail!("kubectl {arguments:?}: {outcome}");
        }
        Ok(outcome.stdout)
    }

    /// Runs kubectl with `-o json` and reads what it prints.
    ///
    /// # Errors
    /// When it fails or prints no JSON.
    pub fn json(&self, arguments: &[&str]) -> Result<Value> {
        let text = self.ok(&[arguments, &["-o", "json"]].concat())?;
        serde_json::from_str(&text).with_context(|| format!("kubectl {arguments:?} printed {text}"))
    }

    /// Applies manifests; `arguments` follow, such as a namespace.
    ///
    /// # Errors
    /// When the API server refuses one.
    pub fn apply(&self, manifests: &str, arguments: &[&str]) -> Result<()> {
        let outcome = self.bed(&[&["kubectl", "apply", "-f", "-"], arguments].concat(), manifests)?;
        if outcome.exit != 0 {
            bail!("kubectl apply: {outcome}\nof\n{manifests}");
        }
        Ok(())
    }

    /// The events of the API server's audit log so far.
    ///
    /// # Errors
    /// When the cluster keeps no such log, or it cannot be read.
    pub fn audit(&self) -> Result<Vec<Value>> {
        let env = self.bed(&["env"], "")?;
        let path = env.stdout.lines().find_map(|line| line.strip_prefix("STEEPLE_CLUSTER_AUDIT="));
        let path = path.context("this cluster shows no audit log; a cluster of this machine does")?;
        let log = std::fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
        // The last line may still be being written.
        Ok(log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// Runs a client of the cluster, such as helm, with `KUBECONFIG` set.
    ///
    /// # Errors
    /// When it cannot start.
    pub fn exec(&self, words: &[&str]) -> Result<Outcome> {
        self.bed(&[&["exec"], words].concat(), "")
    }

    /// Gives the node an image made of the folder `root`.
    ///
    /// # Errors
    /// When the image cannot be made or the node does not take it.
    pub fn load(&self, image: &str, root: &Path, entrypoint: &[&str]) -> Result<()> {
        let root = root.to_str().context("a root folder whose name is no UTF-8")?;
        let outcome = self.bed(&[&["load-image", image, root], entrypoint].concat(), "")?;
        if outcome.exit != 0 {
            bail!("load-image {image}: {outcome}");
        }
        Ok(())
    }

    /// Writes an image made of the folder `root` to a file.
    ///
    /// # Errors
    /// When the image cannot be made.
    pub(crate) fn pack(&self, archive: &Path, image: &str, root: &Path, entrypoint: &[&str]) -> Result<()> {
        let root = root.to_str().context("a root folder whose name is no UTF-8")?;
        let archive = archive.to_str().context("an archive whose name is no UTF-8")?;
        let outcome = self.bed(&[&["pack-image", archive, image, root], entrypoint].concat(), "")?;
        if outcome.exit != 0 {
            bail!("pack-image {image}: {outcome}");
        }
        Ok(())
    }
}

/// The kind of cluster that this run has: `bed`, `kind` or `kubeconfig`.
///
/// # Errors
/// When the environment names another.
pub(crate) fn mode() -> Result<String> {
    let outcome = Outcome::of(Command::new(peer::script()).arg("mode"), "")?;
    if outcome.exit != 0 {
        bail!("cluster mode: {outcome}");
    }
    Ok(outcome.stdout.trim().to_owned())
}
