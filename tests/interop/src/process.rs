//! A program that runs beside the test and ends with it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::poll;

/// A running program with its output in a file; killed by its pid when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`, both its streams appended to `log`.
    ///
    /// # Errors
    /// When the log cannot be opened or the program not started.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let out = File::options().create(true).append(true).open(log);
        let out = out.with_context(|| format!("opening {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        Ok(Self { child, log: log.to_path_buf() })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All it has printed so far.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn printed(&self) -> Result<String> {
        let bytes = std::fs::read(&self.log).with_context(|| format!("reading {}", self.log.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The exit status once it has ended; −1 after a signal.
    ///
    /// # Errors
    /// When its state cannot be asked.
    pub fn ended(&mut self) -> Result<Option<i32>> {
        Ok(self.child.try_wait()?.map(|status| status.code().unwrap_or(-1)))
    }

    /// Sends SIGTERM and waits for the end; returns the exit status.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn stop(mut self) -> Result<i32> {
        self.signal(Signal::TERM)?;
        poll::until("the end after SIGTERM", || self.ended())
    }

    /// Ends it as a power failure would.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends a signal, unless it has ended.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.ended()?.is_none() {
            let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("pid")?;
            kill_process(pid, signal)?;
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that has ended already cannot be killed, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
