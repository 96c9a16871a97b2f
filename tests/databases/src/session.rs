//! A session of a client program: transactions whose statements are spread over time, as other servers have them.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// Longest wait for the answer of a statement.
const PATIENCE: Duration = Duration::from_mins(1);
/// What the client is made to say after each answer.
const DONE: &str = "the statement has ended";

/// A client that stays connected. It ends with this.
pub struct Session {
    client: Child,
    input: ChildStdin,
    said: Receiver<String>,
    /// The command by which the client says [`DONE`].
    done: String,
}

impl Session {
    /// Starts `client`, which reads statements; `done(text)` is the line by which it says the text.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) fn start(mut client: Command, done: impl FnOnce(&str) -> String) -> Result<Self> {
        client.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut client = client.spawn().context("starting a client")?;
        let (input, output) = (client.stdin.take().context("no input")?, client.stdout.take().context("no output")?);
        let (sender, said) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _nobody_listens_any_more = sender.send(line);
            }
        });
        Ok(Self { client, input, said, done: done(DONE) })
    }

    /// Runs statements and returns the rows, a line each.
    ///
    /// # Errors
    /// When the client ends, as it does when a statement fails, or does not answer.
    pub fn run(&mut self, statements: &str) -> Result<Vec<String>> {
        writeln!(self.input, "{statements};\n{}", self.done)?;
        self.input.flush()?;
        let mut rows = Vec::new();
        loop {
            let line = self.said.recv_timeout(PATIENCE).with_context(|| format!("no answer to {statements:?}"))?;
            if line == DONE {
                return Ok(rows);
            }
            ensure!(rows.len() < 10_000, "too many rows");
            rows.push(line);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // One that has ended already can't be killed, which is as well.
        let _ended = self.client.kill();
        let _ended = self.client.wait();
    }
}
