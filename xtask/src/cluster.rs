//! `cargo xtask cluster`: a Kubernetes cluster to develop and test on, made by `tests/cluster/bed/cluster`.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::test::OUTSIDE;
use crate::{peers, run};

const USAGE: &str = "\
usage: cargo xtask cluster COMMAND
  up                              makes a cluster and waits until it is ready
  down                            removes it
  kubectl ARGS…                   kubectl as cluster admin
  load-image [--user UID] NAME ROOTFS_DIR [CMD…]
                                  gives the node an image made of a folder
  load-image ARCHIVE              the same with an image archive
  exec CMD…                       runs a command on the node, with KUBECONFIG set
  test [NAME…]                    runs the cases of tests/cluster, or those whose names hold NAME; on the
                                  named cluster when it is up, else on one that goes away with them; on
                                  KUBECONFIG's steeple stays, until tests/cluster/manifests are deleted
  status | env                    what runs; where its configuration and logs are
$STEEPLE_CLUSTER names it (default: default), and clusters of several names stand side by side;
tests/cluster/bed/cluster help tells the rest";

/// The script that knows every kind of cluster.
pub(crate) const CLUSTER: &str = "cluster";
/// The script that installs Istio on one.
pub(crate) const ISTIO: &str = "istio";

/// A script of the bed by its name.
pub(crate) fn script(name: &str) -> PathBuf {
    run::root().join("tests/cluster/bed").join(name)
}

/// A script of the bed, for clusters of this machine alone.
pub(crate) fn bed(name: &str, cache: &Path) -> Command {
    let mut bed = Command::new(script(name));
    bed.env("STEEPLE_PEERS", cache).env("STEEPLE_CLUSTER_MODE", "bed");
    bed
}

/// Whether what the script makes can be made without installing or building anything.
pub(crate) fn ready(name: &str, cache: &Path) -> bool {
    bed(name, cache).arg("check").output().is_ok_and(|output| output.status.success())
}

/// Runs one command of the cluster.
///
/// # Errors
/// When the command is missing or the script cannot be started; the command's own failure is its exit status.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    match arguments.first().map(String::as_str) {
        None => bail!("{USAGE}"),
        Some("help" | "--help" | "-h") => {
            println!("{USAGE}");
            Ok(())
        }
        Some("test") => test(arguments.get(1..).unwrap_or_default()),
        Some(_) => {
            // Takes this process's place, so that signals, terminal and exit status are the command's own.
            let failure = Command::new(script(CLUSTER)).args(arguments).env("STEEPLE_PEERS", peers::cache()).exec();
            Err(failure).with_context(|| format!("starting {}", script(CLUSTER).display()))
        }
    }
}

fn test(names: &[String]) -> Result<()> {
    for (_, programs, threads) in OUTSIDE.iter().filter(|(name, ..)| *name != "interop") {
        let mut cases = run::cargo();
        cases.args(["test", "--workspace"]).args(programs.iter().flat_map(|program| ["--test", program]));
        cases.arg("--").args(names);
        cases.arg(format!("--test-threads={threads}"));
        cases.env("STEEPLE_BIN", run::target().join("debug/steeple")).env("STEEPLE_PEERS", peers::cache());
        run::succeed(cases.env("STEEPLE_REQUIRE_PEERS", "1"))?;
    }
    Ok(())
}
