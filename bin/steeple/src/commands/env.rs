//! What a command sees of the world around it.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use jiff::tz::TimeZone;
use steeple_clock::Clock;

/// Variables, streams and time of one run; tests give their own.
pub(crate) struct Env {
    /// Environment variables.
    pub(crate) vars: BTreeMap<String, String>,
    /// Standard input.
    pub(crate) stdin: Box<dyn Read>,
    /// Standard output.
    pub(crate) stdout: Box<dyn Write>,
    /// Standard error.
    pub(crate) stderr: Box<dyn Write>,
    /// The time.
    pub(crate) clock: Clock,
    /// The zone that local times are shown in.
    pub(crate) zone: TimeZone,
}

impl Env {
    /// The process's own.
    pub(crate) fn of_process() -> Self {
        let text = |word: std::ffi::OsString| word.to_string_lossy().into_owned();
        Self {
            vars: std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect(),
            stdin: Box::new(std::io::stdin()),
            stdout: Box::new(std::io::stdout()),
            stderr: Box::new(std::io::stderr()),
            clock: Clock::system(),
            zone: TimeZone::system(),
        }
    }

    /// A variable; empty when it is not set.
    pub(crate) fn var(&self, name: &str) -> &str {
        self.vars.get(name).map_or("", String::as_str)
    }

    /// Writes to standard error. Where that fails there is nobody left to tell.
    pub(crate) fn complain(&mut self, text: &str) {
        let _ = self.stderr.write_all(text.as_bytes());
        let _ = self.stderr.flush();
    }
}
