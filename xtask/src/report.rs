//! What the tests said: counts and names, read from the lines of `cargo test`.

use std::collections::BTreeSet;

/// The outcome of any number of test programs.
#[derive(Debug, Default)]
pub(crate) struct Report {
    program: String,
    /// `program::test` of each test that passed.
    pub(crate) passed: BTreeSet<String>,
    /// `program::test` of each test that failed.
    pub(crate) failed: BTreeSet<String>,
}

impl Report {
    /// Takes in one line of what `cargo test` prints on either stream.
    pub(crate) fn line(&mut self, line: &str) {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("Running ") {
            let program = rest.rsplit_once('(').map_or(rest, |(_, path)| stem(path));
            program.clone_into(&mut self.program);
        } else if let Some(name) = line.strip_prefix("Doc-tests ") {
            self.program = format!("{name} doc");
        } else if let Some((name, outcome)) = line.strip_prefix("test ").and_then(|l| l.rsplit_once(" ... ")) {
            let name = format!("{}::{}", self.program, name.trim_end_matches(" - should panic"));
            match outcome {
                "ok" => self.passed.insert(name),
                "FAILED" => self.failed.insert(name),
                _ => false,
            };
        }
    }

    /// Moves tests that found their peer absent from the passed ones; returns how many.
    pub(crate) fn skip(&mut self, tests: &str) -> usize {
        let tests: BTreeSet<&str> = tests.lines().collect();
        let before = self.passed.len();
        self.passed.retain(|name| !tests.iter().any(|test| name.split_once("::").is_some_and(|(_, n)| n == *test)));
        before - self.passed.len()
    }
}

/// `…/deps/name-0123abcd)` is `name`.
fn stem(path: &str) -> &str {
    let file = path.trim_end_matches(')').rsplit('/').next().unwrap_or(path);
    file.rsplit_once('-').map_or(file, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
     Running unittests src/lib.rs (target/debug/deps/steeple_ca-0123)
test slot::tests::one ... ok
test slot::tests::two ... FAILED
test slot::tests::three ... ignored
test slot::tests::four - should panic ... ok
test slow has been running for over 60 seconds
";

    fn report() -> Report {
        let mut report = Report::default();
        OUTPUT.lines().for_each(|line| report.line(line));
        report
    }

    #[test]
    fn tests_are_counted_under_their_program() {
        let report = report();
        assert_eq!(report.passed.len(), 2);
        assert!(report.passed.contains("steeple_ca::slot::tests::one"));
        assert_eq!(report.failed.iter().next().map(String::as_str), Some("steeple_ca::slot::tests::two"));
    }

    #[test]
    fn a_skipped_test_does_not_count_as_passed() {
        let mut report = report();
        assert_eq!(report.skip("slot::tests::one\n"), 1);
        assert_eq!(report.passed.len(), 1);
    }
}
