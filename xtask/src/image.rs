//! `cargo xtask image`: container images from nothing but the program, without Docker and without a registry.
//!
//! `deploy/containers` says what is in them. Left in `target/images`: `steeple.tar` (an OCI layout that Docker loads too,
//! with every image), `root/` (the same files as a folder) and `steeple.cdx.json` (what the program is made of).

mod archive;
mod layer;
mod plan;
mod program;
mod sbom;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::run;
use layer::Sources;
use program::Build;

/// Builds the program and writes the images.
///
/// # Errors
/// When the program does not build, or a file can't be read or written.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let build = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Build::Release,
        ["--dev"] => Build::Development,
        _ => bail!("usage: cargo xtask image [--dev]"),
    };
    let folder = folder();
    std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let plan = plan::read(&run::root().join("deploy/containers"))?;
    let sources = Sources {
        program: program::build(build)?,
        certificates: PathBuf::from("/etc/ssl/certs/ca-certificates.crt"),
        sbom: folder.join("steeple.cdx.json"),
    };
    sbom::write(&sources.sbom)?;
    layer::write_folder(&plan.tree, &sources, &folder.join("root"))?;
    let layer = layer::pack(&plan.tree, &sources)?;
    let archive = folder.join("steeple.tar");
    archive::write(&archive, &plan.images, &layer)?;
    for image in &plan.images {
        println!("{:<22} {}", image.name, archive.display());
    }
    Ok(())
}

/// Where images are left.
pub(crate) fn folder() -> PathBuf {
    run::target().join("images")
}
