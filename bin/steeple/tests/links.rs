//! A link to the program is the program that the link is named after.
//!
//! These stand here, apart from those of `tests/system`, because cargo builds a program for the tests of its own package alone.

use std::io;
use std::os::unix::fs::symlink;
use std::process::Command;

/// What the program says when it is called by a link of that name.
fn usage(name: &str) -> io::Result<String> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join(name);
    symlink(env!("CARGO_BIN_EXE_steeple"), &link)?;
    let output = Command::new(link).arg("--help").output()?;
    Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn link_named_after_a_program_of_spire_has_that_programs_commands() {
    for (name, own, other) in [("spire-server", "entry", "\n    api"), ("spire-agent", "\n    api", "entry")] {
        let usage = usage(name).unwrap();
        assert!(usage.contains(own) && !usage.contains(other), "{name}: {usage}");
    }
}

#[test]
fn link_of_another_name_is_steeple() {
    let usage = usage("some-name").unwrap();
    assert!(usage.contains("as spire-server") && usage.contains("as spire-agent"), "{usage}");
}
