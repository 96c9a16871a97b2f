//! A server process that ends with whoever started it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Longest wait for a server to begin.
const PATIENCE: Duration = Duration::from_mins(1);

/// Waits beside the server until its standard input is closed, as it is when the test ends in whatever way; then ends the server
/// and removes its folder. Interruptions from a terminal reach the whole group, so they are left to the others.
const KEEP: &str = r#"trap '' INT TERM; folder=$1; signal=$2; shift 2
"$@" </dev/null & server=$!
exec 2>/dev/null
read -r _
kill -s "$signal" "$server"; wait "$server"; rm -rf "$folder""#;

/// A server and its folder.
pub(crate) struct Keeper {
    folder: PathBuf,
    input: Option<ChildStdin>,
    shell: Child,
}

impl Keeper {
    /// Starts `server`, which is to be ended by `signal`, and waits until it says `ready` on its standard error.
    ///
    /// # Errors
    /// With what the server said, when it ends or is not ready in time.
    pub(crate) fn start(folder: PathBuf, server: &Command, signal: &str, ready: &'static str) -> Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", KEEP, "keeper"]).arg(&folder).arg(signal).arg(server.get_program()).args(server.get_args());
        command.env("LC_ALL", "C").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut shell = command.spawn().context("starting sh")?;
        let said = follow(BufReader::new(shell.stderr.take().context("no output")?));
        let keeper = Self { folder, input: shell.stdin.take(), shell };
        let mut log = String::new();
        while let Ok(line) = said.recv_timeout(PATIENCE) {
            if line.contains(ready) {
                return Ok(keeper);
            }
            log = log + &line + "\n";
        }
        bail!("{} did not begin:\n{log}", server.get_program().display())
    }

    /// The server's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// The lines of a server, which are read to their end so that it never waits to write one.
fn follow(output: impl BufRead + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            let _nobody_listens_any_more = sender.send(line);
        }
    });
    receiver
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ended = self.shell.wait();
    }
}
