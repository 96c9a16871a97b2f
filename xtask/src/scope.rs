//! The rows of `docs/reference/scope.md` name tests that exist and ran.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use crate::run;
use crate::test::LEFT_OUT;

/// What `cargo xtask test` leaves behind: the names of the tests that ran, one a line.
pub(crate) const TESTS_RAN: &str = "tests-ran.txt";

/// Faults of the scope table, none when the table does not exist.
///
/// # Errors
/// When the folder for notes cannot be made.
pub(crate) fn faults(root: &Path) -> Result<Vec<String>> {
    let Ok(table) = std::fs::read_to_string(root.join("docs/reference/scope.md")) else {
        return Ok(Vec::new());
    };
    let Ok(ran) = std::fs::read_to_string(run::notes()?.join(TESTS_RAN)) else {
        println!("docs: no list of tests that ran yet, `cargo xtask test` makes it");
        return Ok(Vec::new());
    };
    let left_out = std::fs::read_to_string(run::notes()?.join(LEFT_OUT)).unwrap_or_default();
    Ok(unproven(&table, &ran, &left_out))
}

/// The rows that name no test which ran, and give no reason either. Tests of the programs in `left_out` need not have run.
fn unproven(table: &str, ran: &str, left_out: &str) -> Vec<String> {
    let excused = |test: &str| left_out.lines().any(|program| test.starts_with(&format!("{program}::")));
    let ran: BTreeSet<&str> = ran.lines().collect();
    rows(table)
        .flat_map(|(sentence, proof)| {
            if proof.starts_with("not yet: ") {
                return Vec::new();
            }
            let tests: Vec<&str> = proof.split('`').skip(1).step_by(2).collect();
            if tests.is_empty() {
                return vec![format!("scope: {sentence:?} names neither a test nor `not yet: REASON`")];
            }
            let absent = tests.into_iter().filter(|test| !has_run(&ran, test) && !excused(test));
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

/// A test counts under its full path or any tail of it that starts at `::`.
fn has_run(ran: &BTreeSet<&str>, test: &str) -> bool {
    ran.iter().any(|name| name.strip_suffix(test).is_some_and(|head| head.is_empty() || head.ends_with("::")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_proven_by_a_test_that_ran_or_excused_by_a_reason() {
        let table = "| feature | test |\n| --- | --- |\n| one | `b::it_works` |\n| two | not yet: later |\n";
        assert!(unproven(table, "unit::a::b::it_works\n", "").is_empty());
    }

    #[test]
    fn tests_of_a_program_that_was_left_out_are_excused() {
        let table = "| one | `mesh::a::it_works` |";
        assert_eq!(unproven(table, "", "").len(), 1);
        assert_eq!(unproven(table, "", "cluster\n").len(), 1);
        assert!(unproven(table, "", "mesh\n").is_empty());
    }

    #[test]
    fn a_test_that_did_not_run_is_named() {
        let table = "| one | `it_works` |";
        assert_eq!(unproven(table, "a::it_works_not\n", "").len(), 1);
        assert_eq!(unproven("| one | nothing |", "", "").len(), 1);
    }
}
