//! Commands that run to their end, and what they said.

use std::fmt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// How a command ended and what it printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The exit status; −1 when a signal ended the command.
    pub exit: i32,
    /// Standard output, lossily as UTF-8.
    pub stdout: String,
    /// Standard error, lossily as UTF-8.
    pub stderr: String,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit {}\nstdout: {}\nstderr: {}", self.exit, self.stdout, self.stderr)
    }
}

/// Runs a command without standard input to its end.
///
/// # Errors
/// When it cannot start.
pub fn outcome(command: &mut Command) -> Result<Outcome> {
    outcome_with(command, Stdio::null())
}

/// Runs a command with a standard input to its end.
///
/// # Errors
/// When it cannot start.
pub fn outcome_with(command: &mut Command, input: Stdio) -> Result<Outcome> {
    let output = command.stdin(input).output().with_context(|| format!("starting {command:?}"))?;
    Ok(Outcome {
        exit: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs a command that must end well and returns its standard output.
///
/// # Errors
/// When it cannot start or ends with another status than 0.
pub fn stdout(command: &mut Command) -> Result<String> {
    let outcome = outcome(command)?;
    if outcome.exit != 0 {
        bail!("{command:?}: {outcome}");
    }
    Ok(outcome.stdout)
}
