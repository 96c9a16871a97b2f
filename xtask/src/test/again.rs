//! A second run of what failed beside everything else.
//!
//! Tests of whole programs share two cores with one another; one that a deadline of its own has ended says nothing about the
//! commit. It is run once more, alone, and stays a failure when it fails again. What passed only then is named at the end of the
//! run, since it is a fault all the same: of the test, or of a product that is right only when it has time.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Most failures that may be an accident.
const MOST: usize = 3;

/// The tests to run again, by program: none when a test failed that starts no programs, or too many did.
pub(super) fn worth_it<'names>(
    failed: &'names BTreeSet<String>,
    programs: &BTreeSet<String>,
) -> BTreeMap<&'names str, Vec<&'names str>> {
    let mut again: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in failed {
        match name.split_once("::") {
            Some((program, test)) if programs.contains(program) => again.entry(program).or_default().push(test),
            _ => return BTreeMap::new(),
        }
    }
    if failed.len() > MOST { BTreeMap::new() } else { again }
}

/// The names of the test programs below `tests/`, all of which start programs.
pub(super) fn of_whole_programs(metadata: &Value) -> BTreeSet<String> {
    let packages = metadata.get("packages").and_then(Value::as_array).into_iter().flatten();
    let outside = packages.filter(|package| {
        let manifest = package.get("manifest_path").and_then(Value::as_str).unwrap_or_default();
        let root = metadata.get("workspace_root").and_then(Value::as_str).unwrap_or_default();
        manifest.strip_prefix(root).is_some_and(|path| path.starts_with("/tests/"))
    });
    super::names_of_tests(outside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn few_tests_of_whole_programs_are_run_again() {
        let programs = names(&["interop", "log_lines"]);
        let failed = names(&["interop::drill::over", "interop::nested::three", "log_lines::one"]);
        let again = worth_it(&failed, &programs);
        assert_eq!(again.get("interop"), Some(&vec!["drill::over", "nested::three"]));
        assert_eq!(again.get("log_lines"), Some(&vec!["one"]));
    }

    #[test]
    fn nothing_is_run_again_when_a_unit_test_failed_or_many_did() {
        let programs = names(&["interop"]);
        assert!(worth_it(&names(&["interop::a", "steeple_ca::slot::b"]), &programs).is_empty());
        assert!(worth_it(&names(&["interop::a", "interop::b", "interop::c", "interop::d"]), &programs).is_empty());
    }

    #[test]
    fn programs_below_tests_are_those_of_whole_programs() {
        let package = |path: &str, name: &str| serde_json::json!({ "manifest_path": path, "targets": [{ "name": name, "kind": ["test"] }] });
        let packages =
            [package("/w/tests/system/Cargo.toml", "listeners"), package("/w/crates/ca/Cargo.toml", "keeper")];
        let metadata = serde_json::json!({ "workspace_root": "/w", "packages": packages });
        assert_eq!(of_whole_programs(&metadata), names(&["listeners"]));
    }
}
