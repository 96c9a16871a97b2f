//! The command line: each command of one list says the same, whoever made the command and whoever made the daemons.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use steeple_tests_interop::command::{self, Outcome};
use steeple_tests_interop::mask::mask;
use steeple_tests_interop::{Agent, GO, OURS, Pair, Product, Rig, Server, pki, with_peers};

use crate::identities::joined;

const COMMANDS: &str = include_str!("../../cli/commands.txt");
const ALL: [&str; 4] = ["spire-server", "spire-agent", "steeple", "openssl"];

#[test]
fn go_commands_repeat_themselves_on_go_daemons() {
    with_peers(&["spire-server", "spire-agent", "openssl"], || same((GO, Product::Go), (GO, Product::Go)));
}

#[test]
fn our_commands_equal_go_commands_on_go_daemons() {
    with_peers(&ALL, || same((GO, Product::Go), (GO, Product::Steeple)));
}

#[test]
fn our_commands_equal_go_commands_on_our_daemons() {
    with_peers(&ALL, || same((OURS, Product::Go), (OURS, Product::Steeple)));
}

#[test]
fn our_daemons_answer_go_commands_as_go_daemons_do() {
    with_peers(&ALL, || same((GO, Product::Go), (OURS, Product::Go)));
}

/// One side of a comparison: who made the daemons, who the commands.
type Side = (Pair, Product);

fn same(left: Side, right: Side) -> Result<()> {
    let (first, second) = (transcript(left)?, transcript(right)?);
    let mut differences = Vec::new();
    for ((line, a), (_, b)) in first.iter().zip(&second) {
        if a != b {
            differences.push(format!("$ {line}\n--- {left:?}\n{a}\n--- {right:?}\n{b}\n"));
        }
    }
    let (count, all) = (differences.len(), first.len());
    ensure!(count == 0, "{count} of {all} commands differ\n{}", differences.join("\n"));
    println!("{all} commands are the same");
    Ok(())
}

/// All commands of the list on a fresh pair of daemons.
fn transcript((pair, product): Side) -> Result<Vec<(String, Outcome)>> {
    let rig = Rig::new(pair)?;
    let (server, agent) = joined(&rig)?;
    server.entry("w", "host", "unix:uid:0", &["-hint", "h"])?;
    agent.await_svid("w")?;
    prepare(rig.folder())?;
    let id = server.only_agent()?;
    let folder = rig.folder().display().to_string();
    let lines = COMMANDS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let filled = line.replace("{agent}", &id).replace("{folder}", &folder);
            let outcome = call(&rig, product, &server, &agent, &filled)?;
            Ok((line.to_owned(), masked(&outcome, &folder)))
        })
        .collect()
}

fn call(rig: &Rig, product: Product, server: &Server, agent: &Agent, line: &str) -> Result<Outcome> {
    let mut words = line.split(' ');
    let daemon = words.next().context("an empty line")?;
    let (socket, program) = match daemon {
        "server" => (server.socket(), "spire-server"),
        _ => (agent.socket(), "spire-agent"),
    };
    let (verbs, flags): (Vec<&str>, Vec<&str>) = {
        let words: Vec<&str> = words.collect();
        let split = words.iter().position(|word| word.starts_with('-')).unwrap_or(words.len());
        let (verbs, flags) = words.split_at(split);
        (verbs.to_vec(), flags.to_vec())
    };
    let mut command = Command::new(product.program(program, rig.folder())?);
    // One's own links lie in the rig's folder; a person would have them on PATH.
    command::outcome(command.args(verbs).arg("-socketPath").arg(socket).args(flags))
}

fn masked(outcome: &Outcome, folder: &str) -> Outcome {
    Outcome { exit: outcome.exit, stdout: mask(&outcome.stdout, folder), stderr: mask(&outcome.stderr, folder) }
}

/// The files that the list names.
fn prepare(folder: &Path) -> Result<()> {
    let other = pki::node(folder, "other")?;
    fs::copy(other.authority, folder.join("other.pem"))?;
    fs::write(folder.join("other.jwks"), r#"{"keys": [], "spiffe_sequence": 7, "spiffe_refresh_hint": 60}"#)?;
    fs::write(folder.join("rubbish"), "rubbish")?;
    fs::write(folder.join("ids.json"), r#"{"ids": ["one", "nope"]}"#)?;
    let parent = "spiffe://rig.example/host";
    let entry = |path: &str| {
        format!(
            r#"{{"selectors": [{{"type": "a", "value": "{path}"}}], "spiffe_id": "spiffe://rig.example/{path}", "parent_id": "{parent}", "hint": "from a file"}}"#
        )
    };
    fs::write(folder.join("entries.json"), format!(r#"{{"entries": [{}, {}]}}"#, entry("file1"), entry("file2")))?;
    let relationship = r#"{"federationRelationships": [{"trustDomain": "fed4.example", "bundleEndpointURL": "https://127.0.0.1:1/x", "bundleEndpointProfile": "https_web"}]}"#;
    fs::write(folder.join("relationships.json"), relationship)?;
    Ok(())
}
