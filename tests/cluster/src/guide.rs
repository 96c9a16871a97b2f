//! Runs a page of `docs/guide`: its blocks in order, and compares what they say with what the page shows.
//!
//! A block of `sh` is run by a bash that stops at the first failure, in the repository's folder; functions that it defines
//! are there for the next ones, as in a reader's shell. A block of `text` after it
//! shows what it says, line by line: runs of spaces count as one, `…` stands for whatever comes there, and a line of `…` alone
//! for any number of lines. Other blocks are refused, so that nothing on a page can be wrong without being seen.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use tempfile::NamedTempFile;

/// Longest time for one block, in seconds.
const PATIENCE: &str = "900";

/// Commands of a page, and what the page shows of their output.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    /// Line of the page at which the commands begin.
    line: usize,
    commands: String,
    shown: Option<String>,
}

/// Runs the page at `path` below the folder `root`. What `prelude` tells bash comes before each block: what the reader has at
/// hand.
///
/// # Errors
/// At the first block that fails, or says something else than the page shows.
pub fn follow(root: &Path, path: &str, prelude: &str) -> Result<()> {
    let page = std::fs::read_to_string(root.join(path)).with_context(|| path.to_owned())?;
    let steps = steps(&page).with_context(|| path.to_owned())?;
    ensure!(!steps.is_empty(), "{path} has no commands");
    let functions = NamedTempFile::new()?;
    let kept = functions.path().display();
    for Step { line, commands, shown } in steps {
        eprintln!("--- {path}:{line}\n{commands}");
        let script = format!(
            "set -euo pipefail\nexec 2>&1\n{prelude}\n. '{kept}'\ntrap \"declare -f >'{kept}'\" EXIT\n{commands}"
        );
        let mut bash = Command::new("timeout");
        bash.args(["--kill-after=10", PATIENCE, "bash", "-c", &script]).current_dir(root).stdin(Stdio::null());
        let output = bash.output().context("starting bash")?;
        let said = String::from_utf8_lossy(&output.stdout);
        eprintln!("{said}");
        ensure!(output.status.success(), "{path}:{line}: {}\n{commands}\n{said}", output.status);
        if let Some(shown) = shown {
            ensure!(fits(&shown, &said), "{path}:{line} shows\n{shown}\nand its commands said\n{said}");
        }
    }
    Ok(())
}

fn steps(page: &str) -> Result<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = page.lines().zip(1..);
    while let Some((line, at)) = lines.next() {
        let Some(kind) = line.trim_start().strip_prefix("```") else { continue };
        let mut body = String::new();
        loop {
            let (line, _) = lines.next().with_context(|| format!("line {at}: the block has no end"))?;
            if line.trim() == "```" {
                break;
            }
            body = body + line + "\n";
        }
        match (kind, steps.last_mut()) {
            ("sh", _) => steps.push(Step { line: at + 1, commands: body, shown: None }),
            ("text", Some(step)) if step.shown.is_none() => step.shown = Some(body),
            ("text", _) => bail!("line {at}: output of no commands"),
            (other, _) => bail!("line {at}: nothing runs a block of {other:?}"),
        }
    }
    Ok(steps)
}

/// Whether what was said is what is shown; empty lines don't count.
fn fits(shown: &str, said: &str) -> bool {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines = |text: &str| text.lines().map(words).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    lines_fit(&lines(shown), &lines(said))
}

fn lines_fit(shown: &[String], said: &[String]) -> bool {
    let Some((first, rest)) = shown.split_first() else { return said.is_empty() };
    if first == "…" {
        let mut ends = (0..=said.len()).filter_map(|skipped| said.get(skipped..));
        return ends.any(|said| lines_fit(rest, said));
    }
    said.split_first().is_some_and(|(heard, after)| line_fits(first, heard) && lines_fit(rest, after))
}

fn line_fits(shown: &str, said: &str) -> bool {
    let Some((before, after)) = shown.split_once('…') else { return shown == said };
    let Some(rest) = said.strip_prefix(before) else { return false };
    let mut ends = (0..=rest.len()).filter_map(|skipped| rest.get(skipped..));
    ends.any(|said| line_fits(after, said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_as_commands_with_their_output() {
        let page = "Do\n```sh\na\nb\n```\nit says\n```text\nc\n```\n```sh\nd\n```\n";
        let step = |line, commands: &str, shown: Option<&str>| {
            let (commands, shown) = (commands.to_owned(), shown.map(str::to_owned));
            Step { line, commands, shown }
        };
        assert_eq!(steps(page).unwrap(), [step(3, "a\nb\n", Some("c\n")), step(11, "d\n", None)]);
        for (page, error) in [
            ("```yaml\n```", "line 1: nothing runs a block of \"yaml\""),
            ("```\n```", "line 1: nothing runs a block of \"\""),
            ("```text\n```", "line 1: output of no commands"),
            ("```sh\n```\n```text\n```\n```text\n```", "line 5: output of no commands"),
            ("\n```sh\na", "line 2: the block has no end"),
        ] {
            assert_eq!(steps(page).unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn output_fits_where_the_page_says_so_only() {
        for (shown, said, fit) in [
            ("a  b\n", "a b   \n\n", true),
            ("a b", "a c", false),
            ("pod/…  Running …s", "pod/web-7 Running 12s", true),
            ("pod/…  Running …s", "pod/web-7 Pending 12s", false),
            ("a\n…\nb", "a\nx\ny\nb", true),
            ("a\n…\nb", "a\nb", true),
            ("a\n…\nb", "a\nx", false),
            ("a", "a\nb", false),
            ("a\nb", "a", false),
            ("…", "", true),
        ] {
            assert_eq!(fits(shown, said), fit, "{shown:?} {said:?}");
        }
    }

    #[test]
    fn pages_that_are_wrong_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let follows = |page: &str| {
            std::fs::write(folder.path().join("page.md"), page).unwrap();
            follow(folder.path(), "page.md", "greet() { echo hello \"$1\"; }").is_ok()
        };
        assert!(follows("```sh\ngreet you\n```\n```text\nhello …\n```\n"));
        assert!(!follows("```sh\ngreet you\n```\n```text\ngoodbye\n```\n"));
        assert!(follows("```sh\nagain() { greet \"$@\"; }\n```\n```sh\nagain you\n```\n```text\nhello you\n```\n"));
        assert!(!follows("```sh\nfalse\necho later\n```\n"));
        assert!(follows("```sh\n! false\n```\n"));
        assert!(!follows("```sh\n! true\n```\n"));
        assert!(!follows("no commands"));
    }
}
