//! A review of a part of the trail: what an auditor looks at each day.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

/// Most records of each kind that a report names one by one; further ones are counted.
const MAX_NAMED: usize = 1_000;
/// Most actors that are counted one by one.
const MAX_ACTORS: usize = 10_000;
/// Under which name the others are.
const OTHERS: &str = "(others)";

/// Hours of work, by which other hours are known: Monday to Friday, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// The first hour.
    pub from: i64,
    /// The first hour after it.
    pub until: i64,
}

impl Hours {
    fn contain(self, at: Timestamp) -> bool {
        let (day, hour) = (at.as_second().div_euclid(86_400), at.as_second().rem_euclid(86_400) / 3_600);
        // The first day was a Thursday; Sunday is 0.
        let weekday = (day + 4).rem_euclid(7);
        (1..=5).contains(&weekday) && (self.from..self.until).contains(&hour)
    }
}

/// Records of one kind: those that are named, and how many there were.
#[derive(Debug, Default)]
struct Named {
    lines: Vec<Value>,
    count: u64,
}

impl Named {
    fn add(&mut self, line: Value) {
        self.count += 1;
        if self.lines.len() < MAX_NAMED {
            self.lines.push(line);
        }
    }

    fn to_json(&self) -> Value {
        json!({ "count": self.count, "records": self.lines })
    }
}

/// What was found in the records that were looked at.
#[derive(Debug)]
pub struct Report {
    hours: Hours,
    records: u64,
    failed: u64,
    events: BTreeMap<String, u64>,
    actors: BTreeMap<String, u64>,
    denials: Named,
    admins: Named,
    break_glass: Named,
    off_hours: Named,
    holds: Named,
    /// Of the first and the last record.
    times: Option<(i64, i64)>,
}

impl Report {
    /// A report over nothing yet.
    pub fn new(hours: Hours) -> Self {
        Self {
            hours,
            records: 0,
            failed: 0,
            events: BTreeMap::new(),
            actors: BTreeMap::new(),
            denials: Named::default(),
            admins: Named::default(),
            break_glass: Named::default(),
            off_hours: Named::default(),
            holds: Named::default(),
            times: None,
        }
    }

    /// Looks at a record.
    pub fn add(&mut self, record: &Value) {
        let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let event = text("/metadata/event_code");
        let time = record.get("time").and_then(Value::as_i64).unwrap_or_default();
        let actor = actor(record);
        self.records += 1;
        self.times = Some((self.times.map_or(time, |(first, _)| first), time));
        *self.events.entry(event.to_owned()).or_default() += 1;
        let is_known = self.actors.len() < MAX_ACTORS || self.actors.contains_key(&actor);
        *self.actors.entry(if is_known { actor.clone() } else { OTHERS.to_owned() }).or_default() += 1;
        let at = Timestamp::from_millisecond(time).unwrap_or_default();
        let data = record.pointer("/entity/data").cloned().unwrap_or_default();
        let line = || {
            let uid = text("/metadata/uid");
            json!({ "time": at.to_string(), "event": event, "actor": actor, "uid": uid, "data": data })
        };
        if record.get("status_id").and_then(Value::as_i64) == Some(2) {
            self.failed += 1;
        }
        if event.ends_with("_denied") {
            self.denials.add(line());
        }
        if event.starts_with("entry_")
            && ["admin", "downstream"]
                .iter()
                .any(|flag| data.pointer(&format!("/entry/{flag}")).is_some_and(|is_set| *is_set == true))
        {
            self.admins.add(line());
        }
        if event.starts_with("break_glass") {
            self.break_glass.add(line());
        }
        if event.starts_with("authority_") && !self.hours.contain(at) {
            self.off_hours.add(line());
        }
        if event.starts_with("hold_") || event == "trail_pruned" {
            self.holds.add(line());
        }
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        let time = |time: i64| Timestamp::from_millisecond(time).map(|at| at.to_string()).ok();
        json!({
            "records": self.records,
            "first": self.times.and_then(|(first, _)| time(first)),
            "last": self.times.and_then(|(_, last)| time(last)),
            "came_to_nothing": self.failed,
            "events": self.events,
            "actors": self.actors,
            "denials": self.denials.to_json(),
            "new_admins": self.admins.to_json(),
            "break_glass": self.break_glass.to_json(),
            "authority_actions_off_hours": self.off_hours.to_json(),
            "holds_and_pruning": self.holds.to_json(),
        })
    }

    /// For people.
    pub fn to_text(&self) -> String {
        use std::fmt::Write as _;
        let report = self.to_json();
        let mut text = String::new();
        let none = Value::from("none");
        let time = |name: &str| report.get(name).and_then(Value::as_str).unwrap_or("none").to_owned();
        // Writing into a string does not fail.
        let _ = writeln!(text, "Records         : {}", self.records);
        let _ = writeln!(text, "First, last     : {}, {}", time("first"), time("last"));
        let _ = writeln!(text, "Came to nothing : {}", self.failed);
        for (title, counts) in [("Events", &self.events), ("Actors", &self.actors)] {
            let _ = writeln!(text, "\n{title}");
            for (name, count) in counts {
                let _ = writeln!(text, "  {count:>8}  {name}");
            }
        }
        for (title, named) in [
            ("Denials", &self.denials),
            ("Entries of administrators and downstream servers", &self.admins),
            ("Break-glass", &self.break_glass),
            ("Authority actions out of hours", &self.off_hours),
            ("Legal holds and pruning of the trail", &self.holds),
        ] {
            let _ = writeln!(text, "\n{title}: {}", named.count);
            for line in &named.lines {
                let told = |name: &str| line.get(name).unwrap_or(&none).as_str().unwrap_or_default().to_owned();
                let _ = writeln!(text, "  {} {} by {} ({})", told("time"), told("event"), told("actor"), told("uid"));
            }
        }
        text
    }
}

/// Who asked, in one word.
fn actor(record: &Value) -> String {
    let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str);
    match (text("/actor/user/uid"), text("/actor/app_name")) {
        (Some(uid), _) if uid.starts_with("spiffe://") => uid.to_owned(),
        (Some(uid), _) => format!("uid {uid}"),
        (None, name) => name.unwrap_or("unknown").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(event: &str, time: &str, data: &Value) -> Value {
        let time: Timestamp = time.parse().unwrap();
        json!({
            "metadata": { "event_code": event, "uid": "c-1" },
            "time": time.as_millisecond(),
            "status_id": 1,
            "actor": { "user": { "uid": "1000" } },
            "entity": { "data": data },
        })
    }

    #[test]
    fn what_an_auditor_looks_for_is_named() {
        let mut report = Report::new(Hours { from: 8, until: 18 });
        let nothing = json!({});
        // A Friday at noon, a Friday night, a Saturday at noon.
        report.add(&record("authority_tainted", "2026-01-02T12:00:00Z", &nothing));
        report.add(&record("authority_tainted", "2026-01-02T18:00:00Z", &nothing));
        report.add(&record("authority_revoked", "2026-01-03T12:00:00Z", &nothing));
        report.add(&record("entry_created", "2026-01-03T12:00:00Z", &json!({ "entry": { "admin": true } })));
        report.add(&record("entry_created", "2026-01-03T12:00:00Z", &json!({ "entry": { "admin": false } })));
        report.add(&record("rpc_denied", "2026-01-03T12:00:00Z", &nothing));
        let told = report.to_json();
        let counts = ["authority_actions_off_hours", "new_admins", "denials"].map(|kind| told[kind]["count"].clone());
        assert_eq!(counts, [2, 1, 1]);
        assert_eq!((&told["records"], &told["events"]["entry_created"]), (&json!(6), &json!(2)));
        assert_eq!(told["actors"], json!({ "uid 1000": 6 }));
        let text = report.to_text();
        assert!(text.contains("Authority actions out of hours: 2\n  2026-01-02T18:00:00Z authority_tainted"), "{text}");
    }

    #[test]
    fn report_is_bounded_whatever_is_in_the_trail() {
        let mut report = Report::new(Hours { from: 0, until: 24 });
        for number in 0..MAX_ACTORS + 5 {
            let mut denied = record("rpc_denied", "2026-01-02T12:00:00Z", &json!({}));
            denied["actor"]["user"]["uid"] = json!(format!("spiffe://example.org/{number}"));
            report.add(&denied);
        }
        let told = report.to_json();
        assert_eq!(told["actors"][OTHERS], 5);
        assert_eq!(told["denials"]["count"], MAX_ACTORS + 5);
        assert_eq!(told["denials"]["records"].as_array().unwrap().len(), MAX_NAMED);
    }
}
