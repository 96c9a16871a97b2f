//! Reading of sources and records; what is not as expected is an error, and never a row less.

use std::path::Path;

use anyhow::{Context, Result, ensure};

/// A file of the repository.
///
/// # Errors
/// When it can't be read.
pub(super) fn read(root: &Path, path: &str) -> Result<String> {
    std::fs::read_to_string(root.join(path)).with_context(|| path.to_owned())
}

/// What stands between `begin`, which must be there once, and the next `end`.
///
/// # Errors
/// When it is not so.
pub(super) fn between<'a>(text: &'a str, begin: &str, end: &str) -> Result<&'a str> {
    ensure!(text.matches(begin).count() == 1, "{begin:?} stands {} times, not once", text.matches(begin).count());
    let (_, rest) = text.split_once(begin).context("nothing")?;
    let (inner, _) = rest.split_once(end).with_context(|| format!("no {end:?} after {begin:?}"))?;
    Ok(inner)
}

/// The texts in quotation marks of a piece of code that has no escapes in them.
///
/// # Errors
/// When the marks don't pair, or there is an escape.
pub(super) fn literals(code: &str) -> Result<Vec<&str>> {
    ensure!(code.matches('"').count().is_multiple_of(2), "quotation marks that don't pair in {code:?}");
    ensure!(!code.contains('\\'), "an escape in {code:?}");
    Ok(code.split('"').skip(1).step_by(2).collect())
}

/// The lines of a record, without its comments.
///
/// # Errors
/// When it can't be read.
pub(super) fn record(root: &Path, path: &str) -> Result<Vec<String>> {
    let text = read(root, path)?;
    Ok(text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect())
}

/// Code without its tests.
pub(super) fn untested(code: &str) -> &str {
    code.split_once("#[cfg(test)]").map_or(code, |(code, _)| code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_as_expected_is_an_error() {
        assert_eq!(between("a [b] c", "[", "]").unwrap(), "b");
        assert!(
            between("a [b] [c]", "[", "]").is_err()
                && between("a", "[", "]").is_err()
                && between("[", "[", "]").is_err()
        );
        assert_eq!(literals("&[\"a\", \"b\"]").unwrap(), ["a", "b"]);
        assert!(literals("\"a").is_err() && literals("\"a\\n\"").is_err());
    }
}
