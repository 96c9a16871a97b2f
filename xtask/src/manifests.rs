//! `cargo xtask manifests`: what of `deploy` comes from the code, and the manifests, which come from the chart.

use anyhow::Result;

use crate::{peers, run};

/// Writes the files, or with `--check` fails when they are stale.
///
/// # Errors
/// When they can't be made or, to be checked, are stale.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let installed = peers::cache().join("bin/helm");
    let helm = Some(installed).filter(|path| path.is_file()).or_else(|| run::on_path("helm"));
    let mut cargo = run::cargo();
    cargo.args(["run", "--quiet", "--package", "steeple-deploy", "--"]).args(arguments).args(helm);
    run::succeed(&mut cargo)
}
