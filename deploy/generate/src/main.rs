//! Writes what is generated, or with `--check` says what is stale: `steeple-deploy [--check] [HELM]`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (check, rest) = match arguments.split_first() {
        Some((flag, rest)) if flag == "--check" => (true, rest),
        _ => (false, arguments.as_slice()),
    };
    let helm = rest.first().map(PathBuf::from);
    match run(check, helm.as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The chart's part first: the manifests are rendered from it.
fn run(check: bool, helm: Option<&Path>) -> Result<()> {
    let root = steeple_deploy::root();
    let chart = steeple_deploy::chart_files()?;
    let mut stale = steeple_deploy::stale(&root, &chart)?;
    if !check {
        steeple_deploy::write(&root, &chart)?;
    }
    match helm {
        Some(helm) => {
            let manifests = steeple_deploy::manifests(&root, helm)?;
            stale.extend(steeple_deploy::stale(&root, &manifests)?);
            if !check {
                steeple_deploy::write(&root, &manifests)?;
            }
        }
        None => println!("deploy/manifests: NOT RENDERED, there is no helm"),
    }
    match (stale.is_empty(), check) {
        (true, _) => println!("deploy: nothing is stale"),
        (false, false) => println!("deploy: written: {}", stale.join(", ")),
        (false, true) => bail!("stale, run `cargo xtask manifests`: {}", stale.join(", ")),
    }
    Ok(())
}
