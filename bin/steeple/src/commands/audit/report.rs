//! `audit report`.

use serde_json::Value;
use steeple_audit::report::{Hours, Report};
use steeple_audit::verify::each_record;

use super::{DIRECTORY, Outcome, folder, read, tell, time};
use crate::commands::env::Env;

#[derive(Default)]
struct Flags {
    directory: String,
    since: String,
    until: String,
    hours: String,
    output: String,
}

pub(super) fn run(env: &mut Env, arguments: &[String]) -> u8 {
    let mut flags = Flags { hours: "8-18".to_owned(), output: "pretty".to_owned(), ..Flags::default() };
    let declared = read(env, arguments, |set| {
        set.text(&mut flags.directory, &["directory"], DIRECTORY);
        set.text(&mut flags.since, &["since"], "Earliest time, such as 2026-01-02T03:04:05Z.");
        set.text(&mut flags.until, &["until"], "Time before which it was.");
        set.text(&mut flags.hours, &["hours"], "Hours of work, Monday to Friday, in UTC.");
        set.text(&mut flags.output, &["output"], "Form of the report: pretty or json.");
    });
    match declared {
        Ok(()) => {
            let outcome = report(&flags);
            tell(env, outcome)
        }
        Err(status) => status,
    }
}

fn report(flags: &Flags) -> Outcome {
    let (since, until) = (time("since", &flags.since)?, time("until", &flags.until)?);
    let mut report = Report::new(hours(&flags.hours)?);
    let looked = each_record(folder(&flags.directory)?, |_, line| {
        if let Ok(record) = serde_json::from_str::<Value>(line) {
            let time = record.get("time").and_then(Value::as_i64).unwrap_or_default();
            if since.is_none_or(|since| time >= since) && until.is_none_or(|until| time < until) {
                report.add(&record);
            }
        }
        true
    });
    looked.map_err(|finding| finding.to_string())?;
    match flags.output.as_str() {
        "pretty" => Ok(report.to_text()),
        "json" => Ok(format!("{:#}\n", report.to_json())),
        other => Err(format!("-output {other:?} is neither pretty nor json")),
    }
}

fn hours(text: &str) -> Result<Hours, String> {
    let hour = |text: &str| text.parse().ok().filter(|hour| (0..=24).contains(hour));
    let hours = text.split_once('-').and_then(|(from, until)| hour(from).zip(hour(until)));
    let hours = hours.filter(|(from, until)| from <= until);
    let (from, until) = hours.ok_or_else(|| format!("-hours {text:?} is not like 8-18"))?;
    Ok(Hours { from, until })
}
