//! `steeple audit`: what can be done with the files of an audit trail, without its server.

mod checkpoint;
mod export;
mod hold;
mod prove;
mod report;
mod search;
mod verify;

use std::io::Write as _;
use std::path::Path;

use serde_json::Value;
use steeple_audit::note::Verifier;
use steeple_audit::verify::each_record;

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
            row("export", "Writes a part of a trail, with what is needed to verify it elsewhere", export::run),
            row("report", "Prints what an auditor looks at: denials, administrators, authorities, counts", report::run),
            row("hold set", "Keeps all records from being taken away", hold::set),
            row("hold release", "Ends a hold", hold::release),
            row("hold list", "Prints the holds", hold::list),
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

/// A time that was given, in milliseconds.
fn time(flag: &str, text: &str) -> Result<Option<i64>, String> {
    match text {
        "" => Ok(None),
        _ => match text.parse::<jiff::Timestamp>() {
            Ok(time) => Ok(Some(time.as_millisecond())),
            Err(error) => Err(format!("-{flag} {text:?} is not a time such as 2026-01-02T03:04:05Z: {error}")),
        },
    }
}

/// The first and the last record of a time, which are as good as in its order; none if there are none.
fn range(trail: &Path, since: &str, until: &str) -> Result<Option<(u64, u64)>, String> {
    let (since, until) = (time("since", since)?, time("until", until)?);
    let mut range = None;
    let looked = each_record(trail, |sequence, line| {
        let time = serde_json::from_str::<Value>(line).ok();
        let time = time.and_then(|record| record.get("time")?.as_i64()).unwrap_or_default();
        if since.is_none_or(|since| time >= since) && until.is_none_or(|until| time < until) {
            range = Some((range.map_or(sequence, |(first, _)| first), sequence));
        }
        true
    });
    looked.map_err(|finding| finding.to_string())?;
    Ok(range)
}

#[cfg(test)]
mod tests;
