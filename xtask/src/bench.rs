//! `cargo xtask bench`: both products measured in the same run, or fifty pods on a cluster.

use anyhow::{Result, bail};

use crate::{peers, run};

/// Builds the program as it is released and runs the measuring test beside Go SPIRE, or the one on a cluster.
///
/// # Errors
/// When a build fails, Go SPIRE is absent or a measurement fails.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mut measure = run::cargo();
    match arguments {
        [what] if what == "--against-spire" => {
            measure.args(["test", "--release", "--package", "steeple-tests-interop", "--test", "figures", "--"])
        }
        [what] if what == "--on-cluster" => measure.args(["test", "--workspace", "--test", "cluster", "fifty", "--"]),
        _ => bail!("usage: cargo xtask bench --against-spire | --on-cluster"),
    };
    measure.args(["--ignored", "--nocapture", "--test-threads=1"]);
    run::succeed(run::cargo().args(["build", "--release", "--package", "steeple"]))?;
    measure.env("STEEPLE_BIN", run::target().join("release/steeple"));
    measure.env("STEEPLE_PEERS", peers::cache()).env("STEEPLE_REQUIRE_PEERS", "1");
    run::succeed(&mut measure)
}
