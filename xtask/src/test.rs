//! `cargo xtask test`: all tests, the peers that were absent, and one closing line.

use std::io::{BufRead, BufReader, PipeReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::report::Report;
use crate::scope::TESTS_RAN;
use crate::{peers, run};

const INTEROP: &str = "steeple-tests-interop";

/// How long a test's output may stay open after its end without a word.
const LINGER: Duration = Duration::from_secs(10);

/// Runs unit, contract, component and system tests, then the interop cases.
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
    // System tests and interop cases run the program itself.
    run::succeed(run::cargo().args(["build", "--package", "steeple"]))?;
    let mut inside = run::cargo();
    inside.args(["test", "--workspace", "--no-fail-fast", "--exclude", INTEROP]);
    let skipped = noting_skipped(&mut inside, require)?;
    if !follow(&mut inside, &mut report)? && report.failed.is_empty() {
        broken.push("the workspace's tests did not all build or run");
    }
    let unrun = report.skip(&std::fs::read_to_string(skipped)?);
    let before = report.passed.len() + report.failed.len();
    let skipped = interop(&mut report, &mut broken, require)?;
    let cases = report.passed.len() + report.failed.len() + skipped - before;
    let others = if unrun > 0 { format!("\nother tests without what they need: {unrun}") } else { String::new() };
    let counts = format!("interop cases: {cases}, of them without a peer: {skipped}{others}");
    close(&report, &broken, &counts, require)
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

/// Runs the interop cases against the program; returns how many lacked a peer.
fn interop(report: &mut Report, broken: &mut Vec<&str>, require: bool) -> Result<usize> {
    let mut outside = run::cargo();
    outside.args(["test", "--package", INTEROP, "--no-fail-fast", "--", "--test-threads=4"]);
    outside.env("STEEPLE_BIN", program()).env("STEEPLE_PEERS", peers::cache());
    let skipped = noting_skipped(&mut outside, require)?;
    let failed = report.failed.len();
    if !follow(&mut outside, report)? && report.failed.len() == failed {
        broken.push("the interop cases did not build or run");
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
