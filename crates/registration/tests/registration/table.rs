//! Which entries objects ask for, case by case.
//!
//! What is expected of a case was said by spire-controller-manager's own reconciler
//! (`tests/interop/go/controller/cmd/entries`), but where `ours` says why not. Each case is also played with its objects in
//! reverse: the order in which an API server tells of objects does not matter.

use std::collections::BTreeMap;

use crate::common::{Case, Observed, desired, observe};

#[test]
fn objects_ask_for_the_entries_that_the_original_makes_of_them() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("cases.json")).unwrap();
    assert!(cases.len() >= 40 && cases.iter().filter(|case| case.ours.is_none()).count() >= 40);
    let mut wrong = Vec::new();
    for case in &cases {
        let mut backwards = case.objects.clone();
        backwards.reverse();
        for (order, objects) in [("as written", &case.objects), ("in reverse", &backwards)] {
            let desired = desired(&case.config, objects);
            let observed = observe(&desired, objects);
            if let Some(difference) = difference(&observed, &case.expect) {
                wrong.push(format!("{} ({order}): {difference}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn difference(observed: &Observed, expected: &Observed) -> Option<String> {
    if observed.entries != expected.entries {
        return Some(format!("\n  here     {:?}\n  expected {:?}", observed.entries, expected.entries));
    }
    let differing: BTreeMap<_, _> =
        expected.statuses.iter().filter(|(object, status)| observed.statuses.get(*object) != Some(status)).collect();
    (!differing.is_empty()).then(|| format!("\n  here     {:?}\n  expected {differing:?}", observed.statuses))
}
