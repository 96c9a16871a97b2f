//! Istio on the cluster of the run, with what `deploy/istio` lays over it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, bail};

use crate::case::{self, Case};
use crate::cluster::{self, Cluster};
use crate::outcome::Outcome;
use crate::peer;

mod certificates;
mod sidecar;

pub use certificates::Certificates;
pub use sidecar::{Plaintext, Secrets, Sidecar, Socket};

/// Whether Istio was installed on the cluster of the run.
static INSTALLED: OnceLock<Result<(), String>> = OnceLock::new();

/// Runs a case of the mesh beside others; left out, and said so, when Istio is not built or `STEEPLE_MESH` is `0`.
///
/// # Panics
/// When the case fails.
#[expect(clippy::panic, reason = "a failed case is a panic of its test")]
pub fn case(name: &str, run: impl FnOnce(&Case<'_>) -> Result<()>) {
    match left_out() {
        Ok(true) => {}
        Ok(false) => case::case(name, |case| {
            installed(case.cluster)?;
            run(case)
        }),
        Err(error) => panic!("{error:?}"),
    }
}

fn left_out() -> Result<bool> {
    if std::env::var("STEEPLE_MESH").is_ok_and(|value| value == "0") {
        peer::skipped("THE MESH IS LEFT OUT: STEEPLE_MESH is 0")?;
        return Ok(true);
    }
    if cluster::mode()? != "bed" {
        peer::skipped("THE MESH IS LEFT OUT: Istio is installed on clusters of this machine only")?;
        return Ok(true);
    }
    if peer::find("istio").is_none() {
        peer::skipped("THE MESH IS LEFT OUT: Istio is not built (tests/cluster/bed/istio build)")?;
        return Ok(true);
    }
    peer::missing(&["helm"])
}

fn installed(cluster: &Cluster) -> Result<()> {
    let made = INSTALLED.get_or_init(|| install(cluster).map_err(|error| format!("{error:?}")));
    made.clone().map_err(|error| anyhow!("Istio on the cluster of the run: {error}"))
}

fn install(cluster: &Cluster) -> Result<()> {
    let overlay = overlay("values.yaml");
    let overlay = overlay.to_str().context("a repository whose path is no UTF-8")?;
    let mut command = Command::new(peer::istio());
    command.args(["install", overlay]).env("STEEPLE_CLUSTER", cluster.name()).env("STEEPLE_PEERS", peer::cache());
    let outcome = Outcome::of(&mut command, "")?;
    if outcome.exit != 0 {
        bail!("{outcome}");
    }
    Ok(())
}

fn overlay(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/istio").join(file)
}
