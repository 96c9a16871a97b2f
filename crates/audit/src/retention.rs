//! How long records are kept, by the class of their event.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

/// Days after which records of each class may be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Of credentials: `x509_svid_issued`, `jwt_svid_issued`, `agent_attested`, `agent_renewed`, `agent_svid_activated`.
    pub credential: u32,
    /// Of denials.
    pub denial: u32,
    /// Of all others, which change something.
    pub change: u32,
}

impl Retention {
    /// The same for all.
    pub fn days(days: u32) -> Self {
        Self { credential: days, denial: days, change: days }
    }

    /// How long an event is kept.
    fn of(&self, event: &str) -> Duration {
        let days = match event {
            "x509_svid_issued" | "jwt_svid_issued" | "agent_attested" | "agent_renewed" | "agent_svid_activated" => {
                self.credential
            }
            _ if event.ends_with("_denied") => self.denial,
            _ => self.change,
        };
        Duration::from_hours(24 * u64::from(days))
    }

    /// When a record has been kept long enough; never if it can't be told.
    pub(crate) fn due(&self, line: &[u8]) -> Timestamp {
        let due = serde_json::from_slice::<Line<'_>>(line).ok().and_then(|line| {
            let made = Timestamp::from_millisecond(line.time).ok()?;
            made.checked_add(self.of(line.metadata.event_code)).ok()
        });
        due.unwrap_or(Timestamp::MAX)
    }
}

impl std::fmt::Display for Retention {
    fn fmt(&self, form: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { credential, denial, change } = self;
        write!(form, "days: credential {credential}, denial {denial}, change {change}")
    }
}

#[derive(Deserialize)]
struct Line<'a> {
    time: i64,
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    event_code: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_its_time_and_what_can_not_be_read_stays() {
        let retention = Retention { credential: 1, denial: 3, change: 4 };
        for (event, days) in [
            ("jwt_svid_issued", 1),
            ("agent_renewed", 1),
            ("rpc_denied", 3),
            ("entry_created", 4),
            ("of a later version", 4),
        ] {
            let line = format!("{{\"metadata\":{{\"event_code\":\"{event}\"}},\"time\":1000}}");
            let due = Timestamp::from_second(1 + days * 86_400).unwrap();
            assert_eq!(retention.due(line.as_bytes()), due, "{event}");
        }
        for line in ["", "{}", "{\"time\":1}", "{\"metadata\":{\"event_code\":\"a\"},\"time\":\"1\"}"] {
            assert_eq!(retention.due(line.as_bytes()), Timestamp::MAX, "{line}");
        }
    }
}
