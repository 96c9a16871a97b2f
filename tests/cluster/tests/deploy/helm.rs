//! helm on a cluster, with the chart of the repository.

use anyhow::{Result, bail, ensure};
use steeple_tests_cluster::{Cluster, peer};

use crate::repository;

/// Releases of one namespace.
pub(crate) struct Helm<'c> {
    cluster: &'c Cluster,
    namespace: &'c str,
}

impl<'c> Helm<'c> {
    pub(crate) const fn of(cluster: &'c Cluster, namespace: &'c str) -> Self {
        Self { cluster, namespace }
    }

    /// `install` or `upgrade`, with what follows.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<()> {
        let chart = repository("deploy/helm/steeple")?;
        let [verb, release, rest @ ..] = arguments else { bail!("verb and release") };
        self.succeeds(&[&[*verb, release, &chart], rest].concat())?;
        // The namespace that helm makes has no labels, and agents need more than a default may allow.
        let label =
            ["label", "--overwrite", "namespace", self.namespace, "pod-security.kubernetes.io/enforce=privileged"];
        self.cluster.ok(&label).map(drop)
    }

    pub(crate) fn rollback(&self) -> Result<()> {
        self.succeeds(&["rollback", "steeple", "1"])
    }

    pub(crate) fn uninstall(&self) -> Result<()> {
        self.succeeds(&["uninstall", "steeple", "--wait"])
    }

    fn succeeds(&self, arguments: &[&str]) -> Result<()> {
        let helm = peer::path("helm")?.display().to_string();
        let command = [&[helm.as_str()], arguments, &["--namespace", self.namespace]].concat();
        let outcome = self.cluster.exec(&command)?;
        ensure!(outcome.exit == 0, "{command:?}: {outcome}");
        Ok(())
    }
}
