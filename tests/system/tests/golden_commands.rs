//! The commands say what SPIRE 1.15.3 says.

use steeple_tests_system::golden::cases;
use steeple_tests_system::rig::{Rig, uid};

#[test]
fn commands_say_what_was_recorded_from_spire() {
    let rig = Rig::start().unwrap();
    let sockets = rig.sockets();
    let mut differences = Vec::new();
    for case in &cases().unwrap() {
        let arguments = case.arguments(&sockets, uid());
        let outcome = rig.run(&format!("spire-{}", case.program), &arguments).unwrap();
        differences.extend(case.difference(&outcome, uid()));
    }
    assert!(differences.is_empty(), "{} cases differ:\n{}", differences.len(), differences.join("\n"));
}
