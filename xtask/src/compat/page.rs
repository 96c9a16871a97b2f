//! The page in Markdown.

use std::fmt::Write as _;

use super::proofs::{Kind, Proven, kind};

const HEAD: &str = "\
# Compatibility with SPIRE, row by row

Written by `cargo xtask compat --write`; what is said here is checked by `cargo xtask compat`. The rows come from code (RPCs, commands, keys) and from
what was recorded of SPIRE 1.15.3 in `tests/golden` (commands, keys, metrics, log lines), the proofs from `xtask/src/compat/proofs.txt`.

A row names the test that proves it, the feature that it comes with (`later`), or how and why steeple differs (`differs`). A test that is named must have run.
";

/// The whole page.
pub(super) fn text(rows: &[Proven]) -> String {
    let mut page = HEAD.to_owned();
    let _ = writeln!(page, "\n{}.", counts(rows));
    let mut section = "";
    for row in rows {
        if row.section != section {
            section = &row.section;
            let _ = write!(page, "\n## {section}\n\n| SPIRE's | proof |\n| --- | --- |\n");
        }
        let _ = writeln!(page, "| `{}` | {} |", row.name, row.proof);
    }
    page
}

/// How many rows there are of each kind.
pub(super) fn counts(rows: &[Proven]) -> String {
    let count = |of: Kind| rows.iter().filter(|row| kind(&row.proof) == of).count();
    let (tests, later, differs) = (count(Kind::Test), count(Kind::Later), count(Kind::Differs));
    format!("{} rows: {tests} proven by tests, {later} later, {differs} that differ", rows.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_under_their_title() {
        let row = |section: &str, name: &str, proof: &str| Proven {
            section: section.into(),
            name: name.into(),
            proof: proof.into(),
        };
        let text = text(&[row("A", "a", "`t`"), row("A", "b", "later: x"), row("B", "c", "differs: y")]);
        assert!(text.contains("\n3 rows: 1 proven by tests, 1 later, 1 that differ.\n"), "{text}");
        assert!(
            text.ends_with("| `b` | later: x |\n\n## B\n\n| SPIRE's | proof |\n| --- | --- |\n| `c` | differs: y |\n"),
            "{text}"
        );
    }
}
