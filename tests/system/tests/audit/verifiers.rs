//! The two verifiers: `steeple audit verify`, and `tools/audit_verify.py`, which has none of its code.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use steeple_tests_system::golden::Outcome;
use steeple_tests_system::rig::binary;

/// What both are asked; the folder, or the proof of one record.
#[derive(Clone, Copy, Default)]
pub(crate) struct Question<'a> {
    pub(crate) folder: Option<&'a Path>,
    pub(crate) proof: Option<&'a Path>,
    /// The key; the folder's own if there is none.
    pub(crate) key: Option<&'a Path>,
    /// A checkpoint that was kept.
    pub(crate) checkpoint: Option<&'a Path>,
}

impl<'a> Question<'a> {
    /// Whether the trail in a folder is in order, by the folder's own key.
    pub(crate) fn of(folder: &'a Path) -> Self {
        Self { folder: Some(folder), ..Self::default() }
    }

    /// Both say that all is in order; yields what they said.
    pub(crate) fn passes(&self) -> Result<[String; 2]> {
        let [ours, other] = self.ask()?;
        ensure!(ours.exit == 0 && ours.stderr.is_empty(), "steeple audit verify: {ours:?}");
        ensure!(other.exit == 0 && other.stderr.is_empty(), "audit_verify.py: {other:?}");
        Ok([ours.stdout, other.stdout])
    }

    /// Both find something, and say what in words with `text`; yields what they said.
    pub(crate) fn fails(&self, text: &str) -> Result<[String; 2]> {
        let [ours, other] = self.ask()?;
        for (name, outcome) in [("steeple audit verify", &ours), ("audit_verify.py", &other)] {
            ensure!(outcome.exit == 1 && outcome.stdout.is_empty(), "{name}: {outcome:?}");
            ensure!(outcome.stderr.contains(text), "{name} does not say {text:?}: {outcome:?}");
            ensure!(
                !outcome.stderr.contains("Traceback") && !outcome.stderr.contains("panicked"),
                "{name}: {outcome:?}"
            );
        }
        Ok([ours.stderr, other.stderr])
    }

    fn ask(&self) -> Result<[Outcome; 2]> {
        let mut ours = Command::new(binary()?);
        ours.args(["audit", "verify"]);
        let mut other = Command::new("python3");
        other.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/audit_verify.py")).args(self.folder);
        for (flag, others_flag, path) in [
            ("-directory", "", self.folder),
            ("-proof", "--proof", self.proof),
            ("-key", "--key-file", self.key),
            ("-checkpoint", "--checkpoint", self.checkpoint),
        ] {
            let Some(path) = path else { continue };
            ours.arg(flag).arg(path);
            if !others_flag.is_empty() {
                other.arg(others_flag).arg(path);
            }
        }
        Ok([run(&mut ours)?, run(&mut other)?])
    }
}

/// Runs `steeple audit …` to its end.
pub(crate) fn audit(words: &[&str]) -> Result<Outcome> {
    run(Command::new(binary()?).arg("audit").args(words))
}

fn run(command: &mut Command) -> Result<Outcome> {
    let output = command.stdin(Stdio::null()).output()?;
    Ok(Outcome {
        exit: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
