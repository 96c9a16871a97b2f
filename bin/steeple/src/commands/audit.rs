//! `steeple audit`: what can be done with the files of an audit trail, without its server.

mod checkpoint;
mod prove;
mod search;
mod verify;

use std::io::Write as _;
use std::path::Path;

use steeple_audit::note::Verifier;

use super::dispatch::{HELP, Kind, Program, Row};
use super::env::Env;
use super::goflag::FlagSet;

/// What a command writes, or why it failed.
type Outcome = Result<String, String>;

/// The commands.
pub(super) fn program(version: &'static str) -> Program {
    let row = |path, synopsis, hook| Row { path, synopsis, kind: Kind::Hook(hook) };
    Program {
        name: "steeple audit",
        version,
        rows: vec![
            row("verify", "Verifies a trail, a part of it, or a proof", verify::run),
            row("prove", "Proves that a record is in the trail", prove::run),
            row("checkpoint", "Prints the last checkpoint, to be kept where the server can't reach", checkpoint::run),
            row("search", "Prints the records that fit", search::run),
        ],
    }
}

/// Reads the flags that `declare` tells of; `Err` is the exit status, the user having been told.
fn read<'a>(env: &mut Env, arguments: &[String], declare: impl FnOnce(&mut FlagSet<'a>)) -> Result<(), u8> {
    let mut set = FlagSet::new();
    declare(&mut set);
    if arguments == [HELP] {
        env.complain(&set.usage());
        return Err(0);
    }
    match set.parse(arguments) {
        Ok([]) => Ok(()),
        Ok([word, ..]) => {
            env.complain(&format!("unexpected argument {word:?}\n{}", set.usage()));
            Err(2)
        }
        Err(error) => {
            env.complain(&format!("{error}\n{}", set.usage()));
            Err(2)
        }
    }
}

/// Tells what came of a command.
fn tell(env: &mut Env, outcome: Outcome) -> u8 {
    match outcome {
        Ok(text) => {
            let written = env.stdout.write_all(text.as_bytes()).and_then(|()| env.stdout.flush());
            u8::from(written.is_err())
        }
        Err(reason) => {
            env.complain(&format!("Error: {reason}\n"));
            1
        }
    }
}

const DIRECTORY: &str = "Folder of the trail: audit.directory of the server's configuration.";

/// The folder that was given.
fn folder(directory: &str) -> Result<&Path, String> {
    if directory.is_empty() {
        return Err("name the trail's folder with -directory".to_owned());
    }
    let folder = Path::new(directory);
    if folder.is_dir() { Ok(folder) } else { Err(format!("{directory} is not a folder")) }
}

/// The key in a file such as `key.pub`, if one was given.
fn key(path: &str) -> Result<Option<Verifier>, String> {
    if path.is_empty() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    Verifier::parse(&text).map(Some).map_err(|error| format!("{path}: {error}"))
}

/// The number of a record, which is not negative.
fn number(flag: &str, number: i64) -> Result<u64, String> {
    u64::try_from(number).map_err(|_| format!("-{flag} is the number of a record, which {number} is not"))
}

#[cfg(test)]
mod tests;
