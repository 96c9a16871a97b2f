//! The images of the run: the program under test, and a workload that can look around.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::cluster::Cluster;
use crate::outcome::Outcome;
use crate::peer;

/// The image of the program under test.
pub(crate) const STEEPLE: &str = "steeple:local";
/// The image of workloads: busybox and a program built on go-spiffe.
pub(crate) const WORKLOAD: &str = "workload:local";

const ENTRY_POINT: &[&str] = &["/opt/spire/bin/steeple"];

/// Gives the node both images.
///
/// # Errors
/// When one cannot be made.
pub(crate) fn load(cluster: &Cluster) -> Result<()> {
    let root = TempDir::new()?;
    steeple(root.path())?;
    cluster.load(STEEPLE, root.path(), ENTRY_POINT)?;
    let root = TempDir::new()?;
    workload(root.path())?;
    cluster.load(WORKLOAD, root.path(), &["/bin/sh"])
}

/// Writes the image of the program under test to a file, for a cluster that is given it otherwise.
///
/// # Errors
/// When it cannot be made.
pub fn pack_steeple(cluster: &Cluster, archive: &Path) -> Result<()> {
    let root = TempDir::new()?;
    steeple(root.path())?;
    cluster.pack(archive, STEEPLE, root.path(), ENTRY_POINT)
}

/// Gives the node an image of Go SPIRE's server and agent.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn load_go_spire(cluster: &Cluster) -> Result<()> {
    let root = TempDir::new()?;
    workload(root.path())?;
    for name in ["spire-server", "spire-agent"] {
        add_program(root.path(), &peer::path(name)?, &format!("opt/spire/bin/{name}"))?;
    }
    cluster.load("go-spire:local", root.path(), &["/opt/spire/bin/spire-agent"])
}

fn steeple(root: &Path) -> Result<()> {
    base(root)?;
    add_program(root, &peer::path("steeple")?, "opt/spire/bin/steeple")?;
    for link in ["spire-server", "spire-agent", "oidc-discovery-provider"] {
        symlink("steeple", root.join("opt/spire/bin").join(link))?;
    }
    Ok(())
}

fn workload(root: &Path) -> Result<()> {
    base(root)?;
    add_program(root, &peer::path("workload")?, "bin/workload")?;
    add_program(root, &peer::path("busybox")?, "bin/busybox")?;
    for applet in ["sh", "sleep", "cat", "ls", "id", "ps", "nc", "mkdir", "ln", "grep", "sed", "kill", "stat", "test"] {
        symlink("busybox", root.join("bin").join(applet))?;
    }
    Ok(())
}

/// Makes `root` a folder that everybody may enter, with a `/tmp`.
///
/// # Errors
/// When it can't be written.
pub fn base(root: &Path) -> Result<()> {
    std::fs::set_permissions(root, std::fs::Permissions::from_mode(0o755))?;
    let tmp = root.join("tmp");
    std::fs::create_dir(&tmp)?;
    std::fs::set_permissions(&tmp, std::fs::Permissions::from_mode(0o1777))?;
    Ok(())
}

/// Copies a program, stripped, and the libraries that it is linked to.
///
/// # Errors
/// When it can't be read or the place not be written.
pub fn add_program(root: &Path, from: &Path, to: &str) -> Result<()> {
    let place = root.join(to);
    std::fs::create_dir_all(place.parent().context("a program's path has a folder")?)?;
    let strip = Outcome::of(Command::new("strip").arg("-o").arg(&place).arg(from), "")?;
    if strip.exit != 0 {
        bail!("strip: {strip}");
    }
    let linked = Outcome::of(Command::new("ldd").arg(from), "")?;
    // A static program has none, which ldd calls a failure.
    for library in linked.stdout.split_whitespace().filter(|word| word.starts_with('/')) {
        let place = root.join(library.trim_start_matches('/'));
        std::fs::create_dir_all(place.parent().context("a library's path has a folder")?)?;
        std::fs::copy(library, &place).with_context(|| format!("copying {library}"))?;
    }
    Ok(())
}
