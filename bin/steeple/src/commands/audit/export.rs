//! `audit export`.

use std::path::Path;

use steeple_audit::export::export;

use super::{DIRECTORY, Outcome, folder, number, range, read, tell};
use crate::commands::env::Env;

#[derive(Default)]
struct Flags {
    directory: String,
    out: String,
    since: String,
    until: String,
    from: i64,
    to: i64,
}

pub(super) fn run(env: &mut Env, arguments: &[String]) -> u8 {
    let mut flags = Flags { from: -1, to: -1, ..Flags::default() };
    let declared = read(env, arguments, |set| {
        set.text(&mut flags.directory, &["directory"], DIRECTORY);
        set.text(&mut flags.out, &["out"], "Folder to write into, which must not be there yet.");
        set.integer(&mut flags.from, &["from"], "First record.");
        set.integer(&mut flags.to, &["to"], "Last record.");
        set.text(&mut flags.since, &["since"], "Earliest time, such as 2026-01-02T03:04:05Z, instead of -from.");
        set.text(&mut flags.until, &["until"], "Time before which it was, instead of -to.");
    });
    match declared {
        Ok(()) => {
            let outcome = write(&flags);
            tell(env, outcome)
        }
        Err(status) => status,
    }
}

fn write(flags: &Flags) -> Outcome {
    let trail = folder(&flags.directory)?;
    if flags.out.is_empty() {
        return Err("name the folder to write into with -out".to_owned());
    }
    let (mut from, mut to) = range(trail, &flags.since, &flags.until)?.ok_or("no record is of that time")?;
    if flags.from >= 0 {
        from = number("from", flags.from)?;
    }
    if flags.to >= 0 {
        to = number("to", flags.to)?;
    }
    if to < from {
        return Err(format!("-to {to} is before -from {from}"));
    }
    let exported = export(trail, Path::new(&flags.out), (from, to)).map_err(|finding| finding.to_string())?;
    let last = exported.until.saturating_sub(1);
    Ok(format!(
        "Records {} to {last}, with checkpoints and key, are in {out}.\n\
         Verify them with: steeple audit verify -excerpt -directory {out} -key KEY -from {from} -to {to}\n",
        exported.first,
        out = flags.out,
    ))
}
