//! A command that ran to its end.

use std::fmt;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

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

impl Outcome {
    /// Runs `command` to its end with `input` on its standard input.
    ///
    /// # Errors
    /// When it cannot start, or does not read what it is given.
    pub(crate) fn of(command: &mut Command, input: &str) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that ends without reading says why in its own words.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output()?;
        Ok(Self {
            exit: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}
