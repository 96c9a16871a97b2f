//! `cargo xtask docs`: what the documents name exists.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::{run, scope};

/// Checks paths in `ARCHITECTURE.md`, tests in the scope table, and rustdoc.
///
/// # Errors
/// When a path is gone, a test is missing or did not run, or rustdoc warns.
pub(crate) fn check() -> Result<()> {
    let mut faults = missing_paths(&run::root())?;
    faults.extend(scope::faults(&run::root())?);
    if !faults.is_empty() {
        bail!("docs:\n  {}", faults.join("\n  "));
    }
    let mut rustdoc = run::cargo();
    rustdoc.args(["doc", "--quiet", "--workspace", "--no-deps"]);
    run::succeed(rustdoc.env("RUSTDOCFLAGS", "-Dwarnings"))?;
    println!("docs: in order");
    Ok(())
}

fn missing_paths(root: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).context("ARCHITECTURE.md")?;
    Ok(paths(&text)
        .filter(|path| !root.join(path).exists())
        .map(|path| format!("ARCHITECTURE.md names {path}, which does not exist"))
        .collect())
}

/// The words in backticks that look like a path of this repository.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).filter(|word| {
        word.contains('/')
            && !word.starts_with(['/', '.', '-'])
            && !word.contains([' ', '*', '<', '>', '{', ':', '$', '\n'])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_relative_paths_in_backticks_count() {
        let text = "see `crates/ca/src/slot.rs`, not `a b/c`, `/etc/x`, `plain`, `spiffe://td` or a/b";
        assert_eq!(paths(text).collect::<Vec<_>>(), ["crates/ca/src/slot.rs"]);
    }
}
