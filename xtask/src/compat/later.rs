//! What comes later, as `docs/reference/not-yet.md` tells it; tests of the crates hold that page equal to their code.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use super::source;

const PAGE: &str = "docs/reference/not-yet.md";

/// Names under one heading of the page, with the feature that they come with; none when the heading is not there, as when
/// nothing under it is left.
///
/// # Errors
/// When the page can't be read, or a row has no feature.
pub(super) fn under(root: &Path, heading: &str) -> Result<BTreeMap<String, String>> {
    read(&source::read(root, PAGE)?, heading).with_context(|| PAGE.to_owned())
}

fn read(page: &str, heading: &str) -> Result<BTreeMap<String, String>> {
    let begin = format!("\n## {heading}\n");
    let section = page.split(&begin).nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| {
        let name = line.split('`').nth(1).with_context(|| line.to_owned())?;
        let feature = line.trim_end_matches([' ', '|']).rsplit('|').next().with_context(|| line.to_owned())?;
        Ok((name.to_owned(), feature.trim().to_owned()))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_feature_of_the_last_cell() {
        let page = "# A\n\n## B\n| `x` | `1` | metrics |\n\n## C\n| `y` | WIT-SVIDs |\n";
        assert_eq!(read(page, "B").unwrap(), BTreeMap::from([("x".to_owned(), "metrics".to_owned())]));
        assert_eq!(read(page, "C").unwrap().len(), 1);
        assert!(read(page, "D").unwrap().is_empty());
    }
}
