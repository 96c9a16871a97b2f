//! A link to the program is the program that the link is named after.
//!
//! These tests stand here, and those of `tests/system` apart, because cargo builds the program for tests of its own package alone.

use std::os::unix::fs::symlink;
use std::process::{Command, Output};

fn through_link(name: &str, argument: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join(name);
    symlink(env!("CARGO_BIN_EXE_steeple"), &link).unwrap();
    Command::new(link).arg(argument).output().unwrap()
}

#[test]
fn link_named_after_a_program_of_spire_has_that_programs_commands() {
    for (name, own, other) in [("spire-server", "entry", "\n    api"), ("spire-agent", "\n    api", "entry")] {
        let usage = String::from_utf8(through_link(name, "--help").stderr).unwrap();
        assert!(usage.contains(own) && !usage.contains(other), "{name}: {usage}");
    }
}

#[test]
fn link_of_another_name_is_steeple() {
    let output = through_link("some-name", "--help");
    let usage = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(usage.contains("as spire-server") && usage.contains("as spire-agent"), "{usage}");
}
