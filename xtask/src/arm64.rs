//! `cargo xtask arm64`: the workspace compiles for 64-bit ARM, which is not tested yet.

use std::process::Command;

use anyhow::Result;

use crate::run;

const TARGET: &str = "aarch64-unknown-linux-gnu";

/// Checks the program for 64-bit ARM; says so and goes on where the toolchain's target can't be had.
///
/// # Errors
/// When the program does not compile for it.
pub(crate) fn check() -> Result<()> {
    if run::succeed(Command::new("rustup").args(["target", "add", TARGET])).is_err() {
        println!("arm64: NOT CHECKED, the target {TARGET} is not installed and can't be had");
        return Ok(());
    }
    run::succeed(run::cargo().args(["check", "--quiet", "--package", "steeple", "--target", TARGET]))?;
    println!("arm64: compiles");
    Ok(())
}
