//! `cargo xtask fuzz` and `soak`: replays the corpora, then fuzzes each target for a while.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{peers, run};

/// The toolchain that has the sanitizer's flags.
const TOOLCHAIN: &str = "nightly";

/// Runs each target of `fuzz/` over its corpus and then for `--seconds` on new inputs.
///
/// # Errors
/// When a target does not build, or an input makes it fail; each such target is named.
pub(crate) fn run(arguments: &[String], default_seconds: u32) -> Result<()> {
    let (seconds, names) = parse(arguments, default_seconds)?;
    let mut targets = targets()?;
    if !names.is_empty() {
        targets.retain(|target| names.contains(target));
    }
    if targets.is_empty() {
        println!("fuzz: no targets");
        return Ok(());
    }
    run::succeed(cargo_fuzz().arg("build"))?;
    let failed: Vec<String> = targets.into_iter().filter(|target| !one(target, seconds)).collect();
    if !failed.is_empty() {
        bail!("fuzz targets that failed: {}", failed.join(", "));
    }
    Ok(())
}

fn parse(arguments: &[String], default_seconds: u32) -> Result<(u32, Vec<String>)> {
    match arguments {
        [flag, seconds, names @ ..] if flag == "--seconds" => {
            Ok((seconds.parse().context("--seconds wants a whole number")?, names.to_vec()))
        }
        [flag, ..] if flag.starts_with('-') => bail!("unknown flag {flag:?}"),
        names => Ok((default_seconds, names.to_vec())),
    }
}

/// The names of the files in `fuzz/fuzz_targets`.
fn targets() -> Result<Vec<String>> {
    let Ok(folder) = std::fs::read_dir(run::root().join("fuzz/fuzz_targets")) else {
        return Ok(Vec::new());
    };
    let mut targets = Vec::new();
    for file in folder {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            targets.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    targets.sort();
    Ok(targets)
}

/// One target: the committed corpus first (libFuzzer replays it before it mutates), then new inputs.
fn one(target: &str, seconds: u32) -> bool {
    println!("fuzz: {target} for {seconds} s");
    let committed = run::root().join("fuzz/corpus").join(target);
    let found = run::target().join("fuzz-corpus").join(target);
    if let Err(error) = std::fs::create_dir_all(&found) {
        eprintln!("{target}: {error}");
        return false;
    }
    let mut fuzz = cargo_fuzz();
    // The first folder takes what is found, so a run leaves the committed corpus as it is.
    fuzz.args(["run", target]).arg(found);
    if committed.is_dir() {
        fuzz.arg(committed);
    }
    fuzz.args([
        "--",
        &format!("-max_total_time={seconds}"),
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-verbosity=0",
        "-print_final_stats=1",
    ]);
    match run::succeed(&mut fuzz) {
        Ok(()) => true,
        Err(error) => {
            eprintln!("{target}: {error:#}");
            false
        }
    }
}

fn cargo_fuzz() -> Command {
    let mut command = run::cargo_of(TOOLCHAIN);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(peers::cache().join("bin")).chain(std::env::split_paths(&path));
    if let Ok(path) = std::env::join_paths(folders) {
        command.env("PATH", path);
    }
    command.arg("fuzz");
    command
}
