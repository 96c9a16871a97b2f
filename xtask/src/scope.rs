//! The rows of the pages whose last column is a test name tests that exist and ran.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::ran::{Ran, named};

/// The pages, below the documents' folder.
const PAGES: [&str; 2] = ["reference/scope.md", "reference/audit-compliance.md"];

/// Faults of the pages' tables, none when nothing ran yet.
///
/// # Errors
/// When the folder for notes cannot be made, or a page is not there.
pub(crate) fn faults(root: &Path) -> Result<Vec<String>> {
    let Some(ran) = Ran::noted("docs")? else { return Ok(Vec::new()) };
    let mut faults = Vec::new();
    for page in PAGES {
        let table = std::fs::read_to_string(root.join("docs").join(page)).with_context(|| page.to_owned())?;
        faults.extend(unproven(&table, &ran));
    }
    Ok(faults)
}

/// The rows that name no test which ran, and give no reason either.
fn unproven(table: &str, ran: &Ran) -> Vec<String> {
    rows(table)
        .flat_map(|(sentence, proof)| {
            if proof.starts_with("not yet: ") {
                return Vec::new();
            }
            let tests = named(proof);
            if tests.is_empty() {
                return vec![format!("scope: {sentence:?} names neither a test nor `not yet: REASON`")];
            }
            let absent = tests.into_iter().filter(|test| ran.lacks(test));
            absent.map(|test| format!("scope: {test} of {sentence:?} did not run")).collect()
        })
        .collect()
}

/// First and last cell of each body row.
fn rows(table: &str) -> impl Iterator<Item = (&str, &str)> {
    table.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
        let (first, last) = (*cells.first()?, *cells.last()?);
        let body = cells.len() > 1 && !first.starts_with("---") && last != "test";
        body.then_some((first, last))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_proven_by_a_test_that_ran_or_excused_by_a_reason() {
        let table = "| feature | test |\n| --- | --- |\n| one | `b::it_works` |\n| two | not yet: later |\n";
        assert!(unproven(table, &Ran::of("unit::a::b::it_works\n", "")).is_empty());
    }

    #[test]
    fn tests_of_a_program_that_was_left_out_are_excused() {
        let table = "| one | `mesh::a::it_works` |";
        assert_eq!(unproven(table, &Ran::of("", "")).len(), 1);
        assert_eq!(unproven(table, &Ran::of("", "cluster\n")).len(), 1);
        assert!(unproven(table, &Ran::of("", "mesh\n")).is_empty());
    }

    #[test]
    fn a_test_that_did_not_run_is_named() {
        let table = "| one | `it_works` |";
        assert_eq!(unproven(table, &Ran::of("a::it_works_not\n", "")).len(), 1);
        assert_eq!(unproven("| one | nothing |", &Ran::of("", "")).len(), 1);
    }
}
