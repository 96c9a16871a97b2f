//! Programs of others that a case needs.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The folder where `cargo xtask peers install` puts what it installs.
pub(crate) fn cache() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::env::var_os("STEEPLE_PEERS").map_or_else(|| here.join("../../.cache/peers"), PathBuf::from)
}

/// The script that makes clusters.
pub(crate) fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("bed/cluster")
}

/// The script that installs Istio on a cluster.
pub(crate) fn istio() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("bed/istio")
}

/// The path of a peer by its name in `cargo xtask peers`.
pub fn find(name: &str) -> Option<PathBuf> {
    let candidate = match name {
        "kubernetes" => return built(&script()).then(script),
        "istio" => return built(&istio()).then(istio),
        "steeple" => {
            let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debug/steeple");
            std::env::var_os("STEEPLE_BIN").map_or(built, PathBuf::from)
        }
        "busybox" => PathBuf::from("/bin/busybox"),
        _ => cache().join("bin").join(name),
    };
    candidate.is_file().then_some(candidate)
}

/// Whether what a script makes can be made, or reached, without anything being installed.
fn built(script: &Path) -> bool {
    let check = Command::new(script).arg("check").env("STEEPLE_PEERS", cache()).output();
    check.is_ok_and(|output| output.status.success())
}

/// The path of a peer that is known to be there.
///
/// # Errors
/// When it is not.
pub fn path(name: &str) -> Result<PathBuf> {
    find(name).with_context(|| format!("peer absent: {name}"))
}

/// Whether one of the peers is absent: the case is then left out and noted, or fails where all are required.
///
/// # Errors
/// When a peer is absent and `STEEPLE_REQUIRE_PEERS` is 1.
pub(crate) fn missing(peers: &[&str]) -> Result<bool> {
    let Some(absent) = peers.iter().find(|name| find(name).is_none()) else {
        return Ok(false);
    };
    if std::env::var("STEEPLE_REQUIRE_PEERS").is_ok_and(|value| value == "1") {
        bail!("peer absent: {absent}");
    }
    skipped(&format!("peer absent: {absent}"))?;
    Ok(true)
}

/// Says why a case is left out, and notes it.
///
/// # Errors
/// When it cannot be noted.
pub(crate) fn skipped(reason: &str) -> Result<()> {
    eprintln!("{reason}");
    if let (Some(list), Some(test)) = (std::env::var_os("STEEPLE_SKIPPED"), std::thread::current().name()) {
        let mut list = std::fs::File::options().create(true).append(true).open(list)?;
        list.write_all(format!("{test}\n").as_bytes())?;
    }
    Ok(())
}
