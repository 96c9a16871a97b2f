//! `cargo xtask bench --against-spire`: both products measured in the same run.

use anyhow::{Result, bail};

use crate::{peers, run};

/// Builds the program as it is released and runs the measuring test beside Go SPIRE.
///
/// # Errors
/// When a build fails, Go SPIRE is absent or a measurement fails.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if arguments != ["--against-spire"] {
        bail!("usage: cargo xtask bench --against-spire");
    }
    run::succeed(run::cargo().args(["build", "--release", "--package", "steeple"]))?;
    let mut measure = run::cargo();
    measure.args(["test", "--release", "--package", "steeple-tests-interop", "--test", "figures", "--"]);
    measure.args(["--ignored", "--nocapture", "--test-threads=1"]);
    measure.env("STEEPLE_BIN", run::target().join("release/steeple"));
    measure.env("STEEPLE_PEERS", peers::cache()).env("STEEPLE_REQUIRE_PEERS", "1");
    run::succeed(&mut measure)
}
