//! `audit search`.

use serde_json::Value;
use steeple_audit::verify::{Finding, each_record};

use super::{DIRECTORY, Outcome, folder, number, read, tell, time};
use crate::commands::env::Env;

/// Most records printed, unless the user says otherwise.
const LIMIT: i64 = 1_000;

#[derive(Default)]
struct Flags {
    directory: String,
    events: Vec<String>,
    texts: Vec<String>,
    since: String,
    until: String,
    from: i64,
    limit: i64,
}

/// What a record must be like.
struct Filter {
    events: Vec<String>,
    texts: Vec<String>,
    since: Option<i64>,
    until: Option<i64>,
    from: u64,
}

pub(super) fn run(env: &mut Env, arguments: &[String]) -> u8 {
    let mut flags = Flags { limit: LIMIT, ..Flags::default() };
    let declared = read(env, arguments, |set| {
        set.text(&mut flags.directory, &["directory"], DIRECTORY);
        set.repeated(&mut flags.events, &["event"], "Name of an event, such as entry_created; one of several fits.");
        let text = "A text that stands in the record, such as a SPIFFE ID or a serial number; all must.";
        set.repeated(&mut flags.texts, &["contains"], text);
        set.text(&mut flags.since, &["since"], "Earliest time, such as 2026-01-02T03:04:05Z.");
        set.text(&mut flags.until, &["until"], "Time before which it was.");
        set.integer(&mut flags.from, &["from"], "First record to look at.");
        set.integer(&mut flags.limit, &["limit"], "Most records printed.");
    });
    match declared {
        Ok(()) => {
            let found = search(&flags);
            tell(env, found)
        }
        Err(status) => status,
    }
}

fn search(flags: &Flags) -> Outcome {
    let filter = Filter {
        events: flags.events.clone(),
        texts: flags.texts.clone(),
        since: time("since", &flags.since)?,
        until: time("until", &flags.until)?,
        from: number("from", flags.from)?,
    };
    let limit = usize::try_from(flags.limit).map_err(|_| format!("-limit {} is negative", flags.limit))?;
    let mut lines = Vec::new();
    let mut left_off = None;
    let looked = each_record(folder(&flags.directory)?, |sequence, line| {
        if sequence < filter.from || !filter.fits(line) {
            return true;
        }
        if lines.len() == limit {
            left_off = Some(sequence);
            return false;
        }
        lines.push(line.to_owned());
        true
    });
    looked.map_err(|finding: Finding| finding.to_string())?;
    let more = left_off.map(|next| format!("{{\"more\":\"go on with -from {next}\"}}"));
    Ok(lines.into_iter().chain(more).map(|line| line + "\n").collect())
}

impl Filter {
    fn fits(&self, line: &str) -> bool {
        if !self.texts.iter().all(|text| line.contains(text.as_str())) {
            return false;
        }
        let Ok(record) = serde_json::from_str::<Value>(line) else { return false };
        let event = record.pointer("/metadata/event_code").and_then(Value::as_str).unwrap_or_default();
        let time = record.get("time").and_then(Value::as_i64).unwrap_or_default();
        (self.events.is_empty() || self.events.iter().any(|wanted| wanted == event))
            && self.since.is_none_or(|since| time >= since)
            && self.until.is_none_or(|until| time < until)
    }
}
