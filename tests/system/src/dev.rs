//! `steeple dev` as a process.

use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::golden::Outcome;
use crate::rig::binary;

const PATIENCE: Duration = Duration::from_mins(1);

/// Runs `steeple dev` with `arguments` to its end.
///
/// # Errors
/// When it can't start.
pub fn dev(arguments: &[&str]) -> Result<Outcome> {
    run(&[&["dev"], arguments].concat())
}

/// Runs `steeple` with `arguments` to its end.
///
/// # Errors
/// When it can't start.
pub fn run(arguments: &[&str]) -> Result<Outcome> {
    let output = Command::new(binary()?).args(arguments).stdin(Stdio::null()).output()?;
    Ok(Outcome {
        exit: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// A port that was free a moment ago.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string())
}

/// `steeple dev` that goes on serving; killed when dropped.
pub struct Serving {
    child: Child,
    /// What it has said so far.
    pub said: String,
    state: PathBuf,
}

impl Serving {
    /// Starts it in the folder `state`, and waits until it says that it serves.
    ///
    /// # Errors
    /// When it ends or does not get there.
    pub fn start(state: &Path, port: &str) -> Result<Self> {
        let mut command = Command::new(binary()?);
        command.args(["dev", "--port", port, "--state-dir"]).arg(state);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut stdout = child.stdout.take().context("no stdout")?;
        let mut serving = Self { child, said: String::new(), state: state.to_owned() };
        let mut bytes = [0; 4096];
        // The text comes as a whole, and its end tells that it serves.
        while !serving.said.ends_with("Serving until Ctrl-C.\n") {
            let read = stdout.read(&mut bytes)?;
            if read == 0 {
                bail!("ended, having said {:?}", serving.said);
            }
            serving.said.push_str(&String::from_utf8_lossy(bytes.get(..read).unwrap_or_default()));
        }
        Ok(serving)
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A socket in the state folder.
    pub fn socket(&self, name: &str) -> String {
        self.state.join(name).display().to_string()
    }

    /// Sends `signal` and waits for the end; yields the exit status.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(mut self, signal: Signal) -> Result<Option<i32>> {
        kill_process(Pid::from_child(&self.child), signal)?;
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.code());
            }
            if Instant::now() > end {
                bail!("did not stop");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
