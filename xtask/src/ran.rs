//! Which tests ran, according to what `cargo xtask test` noted.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::run;
use crate::test::LEFT_OUT;

/// What `cargo xtask test` leaves behind: the names of the tests that ran, one a line.
pub(crate) const TESTS_RAN: &str = "tests-ran.txt";

/// The tests that ran, and the programs whose tests need not have run.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    names: BTreeSet<String>,
    left_out: Vec<String>,
}

impl Ran {
    /// What the last run noted; `None` when there was none, which is told under the name of the command that asks.
    ///
    /// # Errors
    /// When the folder for notes cannot be made.
    pub(crate) fn noted(command: &str) -> Result<Option<Self>> {
        let Ok(names) = std::fs::read_to_string(run::notes()?.join(TESTS_RAN)) else {
            println!("{command}: no list of tests that ran yet, `cargo xtask test` makes it");
            return Ok(None);
        };
        let left_out = std::fs::read_to_string(run::notes()?.join(LEFT_OUT)).unwrap_or_default();
        Ok(Some(Self::of(&names, &left_out)))
    }

    /// Names of tests and of programs, one a line.
    pub(crate) fn of(names: &str, left_out: &str) -> Self {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<String>>();
        Self { names: lines(names).into_iter().collect(), left_out: lines(left_out) }
    }

    /// Whether a test did not run, and should have. It counts under its full path or any tail of it that starts at `::`.
    pub(crate) fn lacks(&self, test: &str) -> bool {
        let is_it = |name: &String| name.strip_suffix(test).is_some_and(|head| head.is_empty() || head.ends_with("::"));
        let is_excused = self.left_out.iter().any(|program| test.starts_with(&format!("{program}::")));
        !is_excused && !self.names.iter().any(is_it)
    }
}

/// The tests that a cell names, in backticks.
pub(crate) fn named(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_known_by_any_tail_of_their_path() {
        let ran = Ran::of("unit::a::b::it_works\n", "mesh\n");
        assert!(!ran.lacks("b::it_works") && !ran.lacks("it_works") && !ran.lacks("mesh::a::it_works"));
        assert!(ran.lacks("works") && ran.lacks("it_works_not"));
        assert!(Ran::default().lacks("it_works"));
    }
}
