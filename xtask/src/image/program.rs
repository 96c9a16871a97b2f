//! The program, linked statically, so that it runs where there is no C library.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::run;

/// How much the compiler takes pains.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Build {
    /// As released.
    Release,
    /// Quick to build again.
    Development,
}

impl Build {
    const fn profile(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Development => "image-dev",
        }
    }
}

/// Builds the program for musl, whose resolver and user look-ups need no shared libraries, and returns its path.
///
/// # Errors
/// When the toolchain's target or musl's compiler is missing, or the program does not compile.
pub(crate) fn build(build: Build) -> Result<PathBuf> {
    if run::on_path("musl-gcc").is_none() {
        bail!("musl-gcc is missing, which compiles C for static programs; get it: apt-get install musl-tools");
    }
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    run::succeed(Command::new("rustup").args(["--quiet", "target", "add", &target]))?;
    let mut cargo = run::cargo();
    cargo.args(["build", "--locked", "--package", "steeple", "--target", &target, "--profile", build.profile()]);
    cargo.env(format!("CC_{}", target.replace('-', "_")), "musl-gcc");
    run::succeed(&mut cargo)?;
    Ok(run::target().join(&target).join(build.profile()).join("steeple"))
}
