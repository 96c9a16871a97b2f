//! Plain manifests, as the chart renders them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::Files;

/// The chart's folder in the repository.
pub(crate) const CHART: &str = "deploy/helm/steeple";
const BASE: &str = "deploy/manifests/base";
const MEMORY_KEYS: &str = "deploy/manifests/overlays/memory-keys";

/// The files of `deploy/manifests/base`: the chart's, with the namespace, and a list of them for kustomize; and the overlays'.
///
/// # Errors
/// When helm can't render the chart.
pub fn manifests(root: &Path, helm: &Path) -> Result<Files> {
    let rendered = template(root, helm, &["--set", "namespace.create=true"])?;
    let mut files = Files::new();
    let mut list = String::from(
        "# Written by `cargo xtask manifests`, as everything here, from deploy/helm/steeple.\n\
         apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n",
    );
    for (name, text) in &rendered {
        let _ = writeln!(list, "  - {}", name.display());
        files.insert(Path::new(BASE).join(name), text.clone());
    }
    files.insert(Path::new(BASE).join("kustomization.yaml"), list);
    let memory = template(root, helm, &["--set", "server.keyManager=memory"])?;
    let configuration =
        memory.get(Path::new("server-configmap.yaml")).context("the chart has no server-configmap.yaml")?;
    files.insert(Path::new(MEMORY_KEYS).join("server-configmap.yaml"), configuration.clone());
    let server =
        memory.get(Path::new("server-statefulset.yaml")).context("the chart has no server-statefulset.yaml")?;
    files.insert(Path::new(MEMORY_KEYS).join("server-statefulset.yaml"), restart(server)?);
    Ok(files)
}

/// What of a StatefulSet says which configuration its pods were started with.
fn restart(server: &str) -> Result<String> {
    let checksum = server.lines().map(str::trim).find(|line| line.starts_with("checksum/config: "));
    let checksum = checksum.context("the server's pod has no checksum of its configuration")?;
    Ok(format!(
        "# A server that runs is started again with this configuration.\n\
         apiVersion: apps/v1\nkind: StatefulSet\nmetadata:\n  name: steeple-server\n  namespace: steeple\n\
         spec:\n  template:\n    metadata:\n      annotations:\n        {checksum}\n"
    ))
}

/// The chart's templates as helm renders them with flags of values, by file name; those that render to nothing are left out.
///
/// # Errors
/// When helm fails; the message has what it says.
pub fn template(root: &Path, helm: &Path, values: &[&str]) -> Result<Files> {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(helm);
    command.args(["template", "steeple"]).arg(root.join(CHART)).args(["--namespace", "steeple", "--output-dir"]);
    command.arg(folder.path()).args(values);
    let output = command.output().with_context(|| format!("starting {}", helm.display()))?;
    if !output.status.success() {
        bail!("helm template: {}", String::from_utf8_lossy(&output.stderr));
    }
    let mut files = Files::new();
    for entry in std::fs::read_dir(folder.path().join("steeple/templates"))? {
        let path = entry?.path();
        let name = PathBuf::from(path.file_name().unwrap_or_default());
        files.insert(name, plain(&std::fs::read_to_string(&path)?));
    }
    Ok(files)
}

/// A rendered template without helm's own lines, and with one line between documents.
fn plain(rendered: &str) -> String {
    let mut documents: Vec<String> = Vec::new();
    for document in rendered.split("---\n") {
        let lines = document.lines().filter(|line| !line.starts_with("# Source: ")).map(str::trim_end);
        let text = lines.collect::<Vec<_>>().join("\n");
        if !text.trim().is_empty() {
            documents.push(format!("{}\n", text.trim_matches('\n')));
        }
    }
    documents.join("---\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helms_own_lines_are_dropped() {
        let rendered = "---\n# Source: a/b.yaml\n# Said.\nkind: A\n---\n# Source: a/b.yaml\nkind: B\n\n";
        assert_eq!(plain(rendered), "# Said.\nkind: A\n---\nkind: B\n");
    }
}
