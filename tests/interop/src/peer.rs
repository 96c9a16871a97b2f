//! Programs of others that a case needs.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The folder where `cargo xtask peers install` puts what it installs.
fn cache() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::env::var_os("STEEPLE_PEERS").map_or_else(|| here.join("../../.cache/peers"), PathBuf::from)
}

/// The path of a peer by its name in `cargo xtask peers`, or of a program on `PATH`.
pub fn find(name: &str) -> Option<PathBuf> {
    let cache = cache();
    let installed = match name {
        "steeple" => return ours(),
        "spire-samples" => return samples(),
        "envoy" => cache.join("envoy/bin/envoy"),
        "checkov" | "kubernetes-validate" => cache.join(name).join("bin").join(name),
        "grpc-python" => cache.join("grpc-python/bin/python"),
        _ => cache.join("bin").join(name),
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian's folders first: what it installs beside a daemon fits that daemon.
    let debian = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from);
    let folders = debian.into_iter().chain(std::env::split_paths(&path));
    std::iter::once(installed).chain(folders.map(|folder| folder.join(name))).find(|candidate| candidate.is_file())
}

/// The program under test: `$STEEPLE_BIN`, or the one that the workspace's last build made.
fn ours() -> Option<PathBuf> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debug/steeple");
    let program = std::env::var_os("STEEPLE_BIN").map_or(built, PathBuf::from);
    program.is_file().then_some(program)
}

/// SPIRE's sample configuration of a server, in Go's module cache, where building the peers put it.
fn samples() -> Option<PathBuf> {
    let folder = std::env::var_os("GOMODCACHE").map(PathBuf::from).or_else(|| {
        let output = Command::new("go").args(["env", "GOMODCACHE"]).output().ok()?;
        Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
    })?;
    let sample = folder.join("github.com/spiffe/spire@v1.13.3/conf/server/server.conf");
    sample.is_file().then_some(sample)
}

/// The path of a peer that [`missing`] has said is there.
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
pub fn missing(peers: &[&str]) -> Result<bool> {
    let Some(absent) = peers.iter().find(|name| find(name).is_none()) else {
        return Ok(false);
    };
    eprintln!("peer absent: {absent}");
    if std::env::var("STEEPLE_REQUIRE_PEERS").is_ok_and(|value| value == "1") {
        bail!("peer absent: {absent}");
    }
    if let (Some(list), Some(test)) = (std::env::var_os("STEEPLE_SKIPPED"), std::thread::current().name()) {
        let mut list = std::fs::File::options().create(true).append(true).open(list)?;
        list.write_all(format!("{test}\n").as_bytes())?;
    }
    Ok(true)
}
