//! The command line: each command of one list says the same, whoever made the command and whoever made the daemons.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use anyhow::{Result, anyhow, ensure};
use steeple_tests_interop::command::{self, Outcome};
use steeple_tests_interop::mask::mask;
use steeple_tests_interop::{Agent, GO, OURS, Pair, Product, Rig, Server, pki, with_peers};

use crate::identities::joined;

const COMMANDS: &str = include_str!("../../cli/commands.txt");
const ALL: [&str; 4] = ["spire-server", "spire-agent", "steeple", "openssl"];
/// How long a command may take, in seconds, and the status of one that took longer.
const PATIENCE: &str = "30";
const KILLED: i32 = -1;

/// What Go's commands say, made once for the cases that compare with it.
static GO_ON_GO: LazyLock<Transcript> = LazyLock::new(|| Transcript::new((GO, Product::Go)));
static GO_ON_OURS: LazyLock<Transcript> = LazyLock::new(|| Transcript::new((OURS, Product::Go)));

#[test]
fn go_commands_repeat_themselves_on_go_daemons() {
    with_peers(&["spire-server", "spire-agent", "openssl"], || same(&GO_ON_GO, &Transcript::new((GO, Product::Go))));
}

#[test]
fn our_commands_equal_go_commands_on_go_daemons() {
    with_peers(&ALL, || same(&GO_ON_GO, &Transcript::new((GO, Product::Steeple))));
}

#[test]
fn our_commands_equal_go_commands_on_our_daemons() {
    with_peers(&ALL, || same(&GO_ON_OURS, &Transcript::new((OURS, Product::Steeple))));
}

#[test]
fn our_daemons_answer_go_commands_as_go_daemons_do() {
    with_peers(&ALL, || same(&GO_ON_GO, &GO_ON_OURS));
}

/// One side of a comparison: who made the daemons, who the commands.
type Side = (Pair, Product);

/// All commands of one side and what they said, or why there is none.
struct Transcript {
    side: Side,
    said: Result<Vec<(String, Outcome)>, String>,
}

impl Transcript {
    fn new(side: Side) -> Self {
        Self { side, said: transcript(side).map_err(|error| format!("{error:#}")) }
    }

    fn said(&self) -> Result<&[(String, Outcome)]> {
        self.said.as_deref().map_err(|error| anyhow!("{:?}: {error}", self.side))
    }
}

fn same(left: &Transcript, right: &Transcript) -> Result<()> {
    let (first, second) = (left.said()?, right.said()?);
    let mut differences = Vec::new();
    for ((line, a), (_, b)) in first.iter().zip(second) {
        if a != b {
            differences.push(format!("$ {line}\n--- {:?}\n{a}\n--- {:?}\n{b}\n", left.side, right.side));
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

/// A line of the list taken apart.
struct Line<'a> {
    daemon: &'a str,
    verbs: Vec<&'a str>,
    flags: Vec<&'a str>,
    input: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn read(line: &'a str) -> Self {
        let mut words: Vec<&str> = line.split(' ').collect();
        let input = words.last().and_then(|word| word.strip_prefix('<'));
        words.truncate(words.len() - usize::from(input.is_some()));
        let daemon = words.remove(0);
        let split = words.iter().position(|word| word.starts_with('-')).unwrap_or(words.len());
        let flags = words.split_off(split);
        Self { daemon, verbs: words, flags, input }
    }

    /// The socket that is put in; none where variables choose it or the command takes none.
    fn socket(&self, server: &Server, agent: &Agent) -> Option<PathBuf> {
        match (self.daemon, self.verbs.first().copied()) {
            (_, None | Some("validate" | "run")) => None,
            ("server", _) => Some(server.socket().to_owned()),
            _ => Some(agent.socket().to_owned()),
        }
    }
}

fn call(rig: &Rig, product: Product, server: &Server, agent: &Agent, line: &str) -> Result<Outcome> {
    let line = Line::read(line);
    let program = if line.daemon == "server" { "spire-server" } else { "spire-agent" };
    let mut command = Command::new("timeout");
    command.args(["-s", "KILL", PATIENCE]).arg(product.program(program, rig.folder())?);
    command.current_dir(rig.folder()).args(&line.verbs);
    if let Some(socket) = line.socket(server, agent) {
        command.arg("-socketPath").arg(socket);
    }
    command.args(&line.flags);
    let outcome = match line.input {
        Some(file) => command::outcome_with(&mut command, File::open(file)?.into()),
        None => command::outcome(&mut command),
    }?;
    ensure!(outcome.exit != KILLED, "{command:?} did not end within {PATIENCE} s");
    Ok(outcome)
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
    fs::write(folder.join("update.json"), relationship.replace(":1/x", ":2/y"))?;
    for name in ["server", "agent"] {
        let config = fs::read_to_string(folder.join(format!("{name}.conf")))?;
        fs::write(folder.join(format!("{name}-unknown.conf")), config.replace("log_level", "no_such_key"))?;
        fs::write(folder.join(format!("{name}-level.conf")), config.replace("DEBUG", "nope"))?;
        fs::write(folder.join(format!("{name}-domain.conf")), config.replace("rig.example", "Rig Example"))?;
    }
    Ok(())
}
