//! `cargo xtask soak`: the long drills, and one summary of them.

use anyhow::{Context, Result, bail};

use crate::{bench, fuzz, run};

/// Rounds of the kill drill.
const KILL_ROUNDS: &str = "50";

/// A name, and what runs for so many seconds, if it asks, and returns what it has to tell.
type Drill = (&'static str, fn(u32) -> Result<Vec<String>>);

/// Fuzzes each target for a minute, kills server and agents fifty times, and measures; goes on after a failure.
///
/// # Errors
/// When one of them failed; the summary says which.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let seconds = match arguments {
        [] => 60,
        [flag, seconds] if flag == "--seconds" => seconds.parse().context("--seconds wants a whole number")?,
        _ => bail!("usage: cargo xtask soak [--seconds N]"),
    };
    let drills: [Drill; 3] = [("fuzz", fuzz::all), ("kill drill", |_| kill_drill()), ("bench", |_| measure())];
    let (mut summary, mut failed) = (Vec::new(), Vec::new());
    for (name, drill) in drills {
        println!("soak: {name}");
        match drill(seconds) {
            Ok(lines) => {
                summary.push(format!("{name}: passed"));
                summary.extend(lines.into_iter().map(|line| format!("  {line}")));
            }
            Err(error) => {
                summary.push(format!("{name}: FAILED: {error:#}"));
                failed.push(name);
            }
        }
    }
    println!("\nsoak: summary\n{}", summary.join("\n"));
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// Kills server and agents under load; returns what the drill said of itself.
fn kill_drill() -> Result<Vec<String>> {
    run::succeed(run::cargo().args(["build", "--package", "steeple"]))?;
    let mut drill = run::cargo();
    drill.args([
        "test",
        "--package",
        "steeple-tests-system",
        "--test",
        "kill_drill",
        "--test",
        "audit",
        "--",
        "kill",
        "--nocapture",
    ]);
    let said = run::output(drill.env("STEEPLE_KILL_ROUNDS", KILL_ROUNDS))?;
    Ok(said
        .lines()
        .filter_map(|line| line.trim_start_matches("audit ").strip_prefix("kill drill: "))
        .map(str::to_owned)
        .collect())
}

fn measure() -> Result<Vec<String>> {
    bench::run(&["--against-spire".to_owned()]).map(|()| Vec::new())
}
