//! `cargo xtask test`: all tests, the peers that were absent, and one closing line.

mod again;
mod mesh;
mod spent;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, PipeReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

pub(crate) use mesh::LEFT_OUT;
use spent::Spent;

use crate::ran::TESTS_RAN;
use crate::report::Report;
use crate::{peers, run};

/// Tests from outside: how they are counted, the programs that hold them, and how many run at once.
pub(crate) const OUTSIDE: [(&str, &[&str], usize); 4] = [
    ("interop", &["interop", "figures"], 5),
    ("cluster", &["cluster"], 4),
    ("deploy", &["deploy"], 2),
    (mesh::MESH, &["mesh"], 4),
];

/// How long a test's output may stay open after its end without a word.
const LINGER: Duration = Duration::from_secs(10);

/// Runs unit, contract, component and system tests, then the cases of interop and of the cluster.
///
/// # Errors
/// When a test fails, a build fails, or with `--require-peers` a peer is absent.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let require = match arguments {
        [] => false,
        [flag] if flag == "--require-peers" => true,
        _ => bail!("usage: cargo xtask test [--require-peers]"),
    };
    let mut report = Report::default();
    let mut broken = Vec::new();
    let metadata = metadata()?;
    let mut inside = tests(&["--lib", "--bins"]);
    inside.args(programs(&metadata).iter().flat_map(|program| ["--test", program]));
    let mut unrun = 0;
    let spent = Spent::begin();
    for mut some in [inside, tests(&["--doc"])] {
        unrun += outcome(&mut some, &mut report, &mut broken, require)?;
    }
    let mut counts = vec![spent.told("all but what runs from outside")];
    let mut mesh = mesh::Mesh::default();
    for (name, programs, threads) in OUTSIDE {
        let before = report.passed.len() + report.failed.len();
        let mut cases = tests(&[]);
        cases.args(programs.iter().flat_map(|program| ["--test", program]));
        cases.args(["--", &format!("--test-threads={threads}")]);
        if name == mesh::MESH {
            mesh.decide(&mut cases);
        }
        let spent = Spent::begin();
        let skipped = outcome(&mut cases, &mut report, &mut broken, require)?;
        counts.push(spent.told(name));
        let ran = report.passed.len() + report.failed.len() + skipped - before;
        counts.push(format!("{name} cases: {ran}, of them without a peer: {skipped}"));
    }
    mesh.note(&mut counts)?;
    run_again(&again::of_whole_programs(&metadata), &mut report, &mut counts)?;
    if unrun > 0 {
        counts.push(format!("other tests without what they need: {unrun}"));
    }
    close(&report, &broken, &counts.join("\n"), require)
}

/// Has a test run note in a file, which is returned, the tests that had not what they need.
fn noting_skipped(tests: &mut Command, require: bool) -> Result<PathBuf> {
    let skipped = run::notes()?.join("tests-skipped.txt");
    std::fs::write(&skipped, "").with_context(|| format!("writing {}", skipped.display()))?;
    tests.env("STEEPLE_SKIPPED", &skipped);
    if require {
        tests.env("STEEPLE_REQUIRE_PEERS", "1");
    }
    Ok(skipped)
}

/// A run of some of the workspace's tests.
///
/// Always of the whole workspace: another choice of packages is another choice of features, for which cargo compiles
/// nearly everything anew.
fn tests(which: &[&str]) -> Command {
    let mut tests = run::cargo();
    tests.args(["test", "--workspace", "--no-fail-fast"]).args(which);
    tests
}

fn metadata() -> Result<Value> {
    let metadata = run::output(run::cargo().args(["metadata", "--format-version=1", "--no-deps"]))?;
    serde_json::from_str(&metadata).context("cargo metadata")
}

/// The names of the test programs that are not from outside.
fn programs(metadata: &Value) -> BTreeSet<String> {
    let packages = metadata.get("packages").and_then(Value::as_array).into_iter().flatten();
    let is_inside = |name: &String| OUTSIDE.iter().all(|(_, programs, _)| !programs.contains(&name.as_str()));
    names_of_tests(packages).filter(is_inside).collect()
}

/// The names of the packages' test programs.
fn names_of_tests<'metadata>(packages: impl Iterator<Item = &'metadata Value>) -> impl Iterator<Item = String> {
    let targets = packages.filter_map(|package| package.get("targets")?.as_array()).flatten();
    let tests = targets.filter(|target| target.pointer("/kind/0").is_some_and(|kind| kind == "test"));
    tests.filter_map(|target| Some(target.get("name")?.as_str()?.to_owned()))
}

/// Runs again, alone, what may have failed by accident; what passes now is counted as passed, and named.
fn run_again(programs: &BTreeSet<String>, report: &mut Report, counts: &mut Vec<String>) -> Result<()> {
    let failed = report.failed.clone();
    for (program, names) in again::worth_it(&failed, programs) {
        for name in names {
            let mut alone = tests(&["--test", program, "--", "--exact", name, "--test-threads=1"]);
            let mut second = Report::default();
            outcome(&mut alone, &mut second, &mut Vec::new(), true)?;
            if second.failed.is_empty() && second.passed.len() == 1 {
                report.failed.retain(|test| !second.passed.contains(test));
                report.passed.append(&mut second.passed);
                counts.push(format!("PASSED ONLY WHEN RUN AGAIN, ALONE: {program}::{name}"));
            }
        }
    }
    Ok(())
}

/// Runs tests, which find the program that cargo has built with them; returns how many lacked a peer.
fn outcome(tests: &mut Command, report: &mut Report, broken: &mut Vec<&str>, require: bool) -> Result<usize> {
    tests.env("STEEPLE_BIN", program()).env("STEEPLE_PEERS", peers::cache());
    // Somebody's cluster is used when asked for alone, by `cargo xtask cluster test`.
    tests.env("STEEPLE_CLUSTER_MODE", "bed").env_remove("KUBECONFIG");
    let skipped = noting_skipped(tests, require)?;
    let failed = report.failed.len();
    if !follow(tests, report)? && report.failed.len() == failed {
        broken.push("tests did not all build or run");
    }
    Ok(report.skip(&std::fs::read_to_string(&skipped)?))
}

fn program() -> PathBuf {
    run::target().join("debug/steeple")
}

/// Runs a command, shows both its streams and reads them into the report; true when it ended well.
///
/// # Errors
/// When the command cannot start, or a process that it left behind still holds its output.
fn follow(command: &mut Command, report: &mut Report) -> Result<bool> {
    let (reader, writer) = std::io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().context("starting cargo")?;
    // The command holds the pipe's writing ends; the reader ends only when they are closed.
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let lines = lines(reader);
    let status = loop {
        // The state is asked first: what was written before the end is then read before the loop is left.
        let ended = child.try_wait()?;
        match (lines.recv_timeout(LINGER), ended) {
            (Ok(line), _) => {
                println!("{line}");
                report.line(&line);
            }
            (Err(RecvTimeoutError::Timeout), Some(_)) => bail!("a test left a process behind that holds its output"),
            (Err(RecvTimeoutError::Timeout), None) => {}
            (Err(RecvTimeoutError::Disconnected), _) => break child.wait()?,
        }
    };
    Ok(status.success())
}

/// The lines that come through a pipe, until all its writing ends are closed.
fn lines(reader: PipeReader) -> Receiver<String> {
    let (sender, receiver) = std::sync::mpsc::sync_channel(64);
    std::thread::spawn(move || {
        for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
    receiver
}

fn close(report: &Report, broken: &[&str], counts: &str, require: bool) -> Result<()> {
    list(&run::notes()?.join(TESTS_RAN), report)?;
    let absent = peers::absent();
    for peer in &absent {
        println!("peer absent: {} (to get it: {})", peer.name, peer.recipe());
    }
    for name in &report.failed {
        println!("failed: {name}");
    }
    for fault in broken {
        println!("error: {fault}");
    }
    println!("{counts}");
    let missing = if require { absent.len() } else { 0 };
    let failed = report.failed.len() + broken.len() + missing;
    let closing = format!("{} passed, {failed} failed", report.passed.len());
    std::fs::write(run::notes()?.join("summary.txt"), format!("{counts}\n{closing}\n"))?;
    println!("{closing}");
    if failed > 0 {
        bail!("{failed} failed");
    }
    Ok(())
}

fn list(path: &Path, report: &Report) -> Result<()> {
    let mut names = report.passed.iter().cloned().collect::<Vec<_>>().join("\n");
    names.push('\n');
    std::fs::write(path, names).with_context(|| format!("writing {}", path.display()))
}
