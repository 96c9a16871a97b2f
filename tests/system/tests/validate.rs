//! `validate` says what SPIRE 1.15.3 says, except of what comes later: that is refused by name.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use regex::Regex;
use serde::Deserialize;
use steeple_tests_system::rig::binary;

#[derive(Deserialize)]
struct Record {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    program: String,
    config: String,
    exit: i32,
    stdout: String,
    stderr: String,
}

/// The keys and plugins of the record that come later.
const LATER: [&str; 1] = ["authorized_delegates"];

#[test]
fn validate_says_what_was_recorded_from_spire() {
    let record: Record = serde_json::from_str(include_str!("../../golden/validate.json")).unwrap();
    assert_eq!(record.cases.len(), 47);
    let mut differences = Vec::new();
    for case in &record.cases {
        let (exit, stdout, stderr) = validate(case).unwrap();
        let later = LATER.iter().any(|key| case.config.contains(key));
        let recorded = (case.exit, case.stdout.as_str(), &masked(&case.stderr).unwrap());
        let agrees = (exit, stdout.as_str(), &stderr) == recorded;
        let agrees = agrees || later && exit == 1 && stderr.contains("not available yet");
        if !agrees {
            differences.push(format!("{}\n  recorded: {:?}\n  said:     {stderr:?}\n", case.config, case.stderr));
        }
    }
    assert!(differences.is_empty(), "{} cases differ:\n{}", differences.len(), differences.join("\n"));
}

fn validate(case: &Case) -> Result<(i32, String, String)> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("c.conf"), &case.config)?;
    let mut command = Command::new(binary()?);
    command.args([&case.program, "validate", "-config", "c.conf"]).current_dir(folder.path());
    let output = command.output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\"c.conf\"", "\"<file>\"");
    let exit = output.status.code().context("ended by a signal")?;
    Ok((exit, text(&output.stdout), masked(&text(&output.stderr))?))
}

/// What the resolver of the machine says differs from machine to machine; the record has a mask for durations in brackets.
fn masked(text: &str) -> Result<String> {
    let resolver = Regex::new("(could not resolve bind address \"[^\"]*\"): .*")?;
    let durations = Regex::new(r"\(\d+s\) must be (greater|less) than \d+s")?;
    let text = resolver.replace(text, "$1");
    Ok(durations.replace(&text, "(<dur>) must be $1 than <dur>").into_owned())
}

#[test]
fn run_names_the_keys_that_nobody_knows() {
    let common = "trust_domain = \"x\"\ndata_dir = \"d\"\nlog_lvl = \"info\"\nnosuch = 1";
    for (program, own) in [
        ("server", "bind_address = \"127.0.0.1\"\nbind_port = 1"),
        ("agent", "server_address = \"127.0.0.1\"\nserver_port = 1\ninsecure_bootstrap = true"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("c.conf"), format!("{program} {{ {common}\n{own} }}\nplugins {{ }}")).unwrap();
        let mut command = Command::new(binary().unwrap());
        let output = command.args([program, "run", "-config", "c.conf"]).current_dir(folder.path()).output().unwrap();
        let (said, log) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
        let line = format!("msg=\"Unknown configuration detected\" keys=\"log_lvl,nosuch\" section={program}\n");
        assert!(log.contains("level=error") && log.ends_with(&line), "{log}{said}");
    }
}
