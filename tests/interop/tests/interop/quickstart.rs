//! SPIRE's own sample configurations and the quick start of its documentation, with links in the place of its programs.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use steeple_tests_interop::{Product, command, peer, with_peers};

const SCRIPT: &str = include_str!("../../cli/quickstart.sh");

#[test]
fn go_runs_spires_samples() {
    let peers = ["spire-server", "spire-agent", "spire-samples", "unshare", "ip", "openssl"];
    with_peers(&peers, || quickstart(Product::Go));
}

#[test]
fn ours_runs_spires_samples() {
    with_peers(&["steeple", "spire-samples", "unshare", "ip", "openssl"], || quickstart(Product::Steeple));
}

fn quickstart(product: Product) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    // `.data` comes with SPIRE's releases and repository.
    for name in ["tmp", "bin", ".data"] {
        fs::create_dir(folder.join(name))?;
    }
    samples(folder)?;
    programs(product, folder)?;
    fs::write(folder.join("quickstart.sh"), SCRIPT)?;
    let mut unshare = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    let outcome = command::outcome(unshare.args(["timeout", "120", "bash", "quickstart.sh"]).current_dir(folder))?;
    let log = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
    ensure!(outcome.exit == 0, "{outcome}\n--- server\n{}\n--- agent\n{}", log("server.log"), log("agent.log"));
    for expected in [
        "Server is healthy.",
        "Token: ",
        "Agent is healthy.",
        " : spiffe://example.org/myservice\n",
        "Received 1 svid after ",
        "SPIFFE ID:\t\tspiffe://example.org/myservice",
        "Writing SVID #0 to file /tmp/svid.0.pem.",
        "URI:spiffe://example.org/myservice",
        "/tmp/svid.0.pem: OK",
    ] {
        ensure!(outcome.stdout.contains(expected), "{expected:?} is missing from\n{outcome}");
    }
    Ok(())
}

/// SPIRE's `conf`, word for word; its folder in the module cache can't be written to.
fn samples(folder: &Path) -> Result<()> {
    let server = peer::path("spire-samples")?;
    let source = server.ancestors().nth(2).context("no folder of samples")?;
    for part in ["server", "agent"] {
        let to = folder.join("conf").join(part);
        fs::create_dir_all(&to)?;
        for file in fs::read_dir(source.join(part))? {
            let file = file?;
            fs::copy(file.path(), to.join(file.file_name()))?;
        }
    }
    Ok(())
}

/// `bin/spire-server` and `bin/spire-agent`: Go's, or links to a copy of ours, which stays in reach when /tmp is another.
fn programs(product: Product, folder: &Path) -> Result<()> {
    let bin = folder.join("bin");
    let names = ["spire-server", "spire-agent"];
    if product == Product::Steeple {
        place(&peer::path("steeple")?, &bin.join("steeple"))?;
        for name in names {
            std::os::unix::fs::symlink("steeple", bin.join(name))?;
        }
        return Ok(());
    }
    for name in names {
        place(&peer::path(name)?, &bin.join(name))?;
    }
    Ok(())
}

fn place(from: &Path, to: &Path) -> Result<()> {
    let from = from.canonicalize()?;
    if fs::hard_link(&from, to).is_err() {
        fs::copy(&from, to)?;
    }
    Ok(())
}
