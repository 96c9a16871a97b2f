//! The size of the program, and how long it takes from nothing to a first identity.

use std::process::Command;
use std::time::Instant;

use anyhow::Result;
use steeple_tests_interop::{command, free_port, peer};

use crate::table::{Spread, at_most};

const ROUNDS: usize = 5;

/// Measures, prints, and holds the figures to what is promised.
pub(crate) fn measure() -> Result<()> {
    let mut seconds = Vec::new();
    for _ in 0..ROUNDS {
        seconds.push(first_identity()?);
    }
    let seconds = Spread::of(&seconds);
    let [server, agent, ours] = [size("spire-server")?, size("spire-agent")?, size("steeple")?];
    println!("\nprogram: {ours:.1} MB; spire-server {server:.1} MB, spire-agent {agent:.1} MB");
    println!("steeple dev --once, first identity shown after: {seconds} s, {ROUNDS} times");
    at_most("MB of the program", 40.0, Spread::of(&[ours]))?;
    at_most("seconds from nothing to a first identity", 2.0, seconds)
}

/// Seconds of a whole run in a folder of its own.
fn first_identity() -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let mut dev = Command::new(peer::path("steeple")?);
    dev.args(["dev", "--once", "--port", &free_port()?.to_string(), "--state-dir"]).arg(folder.path());
    let began = Instant::now();
    command::stdout(&mut dev)?;
    Ok(began.elapsed().as_secs_f64())
}

#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
fn size(program: &str) -> Result<f64> {
    Ok(std::fs::metadata(peer::path(program)?)?.len() as f64 / 1e6)
}
