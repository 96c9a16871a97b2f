//! `cargo xtask fuzz`: replays the corpora, then fuzzes each target for a while.

use std::num::NonZero;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};

use crate::{peers, run};

/// The toolchain that has the sanitizer's flags.
const TOOLCHAIN: &str = "nightly";

/// What is fuzzed is Rust without `unsafe`, so the address sanitizer would find nothing and cost most of the build.
const SANITIZER: &str = "--sanitizer=none";

/// Runs each target of `fuzz/` over its corpus and then for `--seconds` on new inputs, some at a time.
///
/// # Errors
/// When a target does not build, or an input makes it fail; each such target is named.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (seconds, names) = parse(arguments, 5)?;
    let mut targets = targets()?;
    if !names.is_empty() {
        targets.retain(|target| names.contains(target));
    }
    each(&targets, seconds).map(|lines| println!("{} targets, {seconds} s each: no fault", lines.len()))
}

/// Fuzzes every target for so many seconds and returns a line about each.
///
/// # Errors
/// As [`run()`].
pub(crate) fn all(seconds: u32) -> Result<Vec<String>> {
    each(&targets()?, seconds)
}

fn each(targets: &[String], seconds: u32) -> Result<Vec<String>> {
    if targets.is_empty() {
        bail!("no such fuzz target");
    }
    run::output(Command::new("rustup").args(["run", TOOLCHAIN, "rustc", "--version"]))
        .context("fuzzing needs a nightly toolchain: rustup toolchain install nightly --profile minimal")?;
    run::succeed(cargo_fuzz().args(["build", SANITIZER]))?;
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    let outcomes: Vec<Result<String>> = std::thread::scope(|scope| {
        let work = || {
            let taken = std::iter::from_fn(|| targets.get(next.fetch_add(1, Ordering::Relaxed)));
            taken.map(|target| one(target, seconds)).collect::<Vec<_>>()
        };
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    let (good, bad): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    if !bad.is_empty() || good.len() != targets.len() {
        let bad: Vec<String> = bad.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
        bail!("fuzz targets that failed: {}", bad.join("; "));
    }
    Ok(good.into_iter().filter_map(Result::ok).collect())
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
fn one(target: &str, seconds: u32) -> Result<String> {
    let committed = run::root().join("fuzz/corpus").join(target);
    let found = run::target().join("fuzz-corpus").join(target);
    std::fs::create_dir_all(&found).with_context(|| found.display().to_string())?;
    let mut fuzz = cargo_fuzz();
    // The first folder takes what is found, so a run leaves the committed corpus as it is.
    fuzz.args(["run", SANITIZER, target]).arg(found).arg(committed);
    let limit = format!("-max_total_time={seconds}");
    fuzz.args(["--", &limit, "-timeout=10", "-rss_limit_mb=2048", "-verbosity=0", "-print_final_stats=1"]);
    let output = fuzz.output().with_context(|| format!("starting {target}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        eprintln!("{said}");
        bail!("{target}: {}", output.status);
    }
    let line = format!("{target}: {} inputs in {seconds} s, no fault", executed(&said).unwrap_or("?"));
    println!("fuzz: {line}");
    Ok(line)
}

/// The number of inputs in libFuzzer's closing figures.
fn executed(said: &str) -> Option<&str> {
    said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:")).map(str::trim)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_and_figures_are_read() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(parse(&[], 5).unwrap(), (5, vec![]));
        assert_eq!(parse(&words("--seconds 7 jwt pem"), 5).unwrap(), (7, words("jwt pem")));
        assert!(parse(&words("--minutes 7"), 5).is_err());
        assert_eq!(executed("x\nstat::number_of_executed_units: 42\n"), Some("42"));
    }

    #[test]
    fn every_target_has_a_corpus() {
        for target in targets().unwrap() {
            let corpus = run::root().join("fuzz/corpus").join(&target);
            assert!(std::fs::read_dir(corpus).is_ok_and(|mut files| files.next().is_some()), "{target}");
        }
    }
}
