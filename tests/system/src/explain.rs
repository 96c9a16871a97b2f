//! Answers of `steeple explain`.

use std::fmt;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::rig::binary;

/// An answer, as JSON.
#[derive(Debug)]
pub struct Explained(Value);

impl Explained {
    /// Asks with these flags.
    ///
    /// # Errors
    /// With what the command says when it fails.
    pub fn ask(flags: &[&str]) -> Result<Self> {
        let output = run(&[flags, &["-output", "json"]].concat())?;
        ensure!(output.status.success(), "{flags:?}: {}", String::from_utf8_lossy(&output.stderr));
        let answer = serde_json::from_slice(&output.stdout);
        Ok(Self(answer.with_context(|| String::from_utf8_lossy(&output.stdout).into_owned())?))
    }

    /// The answer for people.
    ///
    /// # Errors
    /// With what the command says when it fails.
    pub fn pretty(flags: &[&str]) -> Result<String> {
        let output = run(flags)?;
        ensure!(output.status.success(), "{flags:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What the command says when it fails.
    ///
    /// # Errors
    /// When it does not fail.
    pub fn refusal(flags: &[&str]) -> Result<String> {
        let output = run(flags)?;
        ensure!(output.status.code() == Some(1), "{flags:?}: {output:?}");
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// The name of the cause.
    pub fn cause(&self) -> &str {
        self.text_at("/findings/0/cause")
    }

    /// What mends it.
    pub fn fix(&self) -> &str {
        self.text_at("/findings/0/fix")
    }

    /// A text of the answer; empty when there is none.
    pub fn text_at(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

fn run(flags: &[&str]) -> Result<Output> {
    Ok(Command::new(binary()?).arg("explain").args(flags).stdin(Stdio::null()).output()?)
}
