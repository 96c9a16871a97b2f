//! Which records a sink gets.

use crate::facts::Facts;

/// Which records a sink gets: those of these events that matter enough.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Names of events, of which the last character may be `*`; all events when there are none.
    pub events: Vec<String>,
    /// From which `severity_id` on.
    pub min_severity: u8,
}

impl Filter {
    pub(crate) fn admits(&self, facts: &Facts) -> bool {
        let event = facts.metadata.event_code.as_str();
        let is_meant = |pattern: &String| match pattern.strip_suffix('*') {
            Some(begin) => event.starts_with(begin),
            None => event == pattern,
        };
        facts.severity_id >= self.min_severity && (self.events.is_empty() || self.events.iter().any(is_meant))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::example;

    #[test]
    fn events_and_severity_choose() {
        let filter = |events: &[&str], min_severity| Filter {
            events: events.iter().map(ToString::to_string).collect(),
            min_severity,
        };
        for (events, min_severity, admits) in [
            (&[][..], 0, true),
            (&["authority_tainted"], 0, true),
            (&["authority_*"], 4, true),
            (&["entry_*", "*"], 0, true),
            (&["authority"], 0, false),
            (&["entry_*"], 0, false),
            (&[], 5, false),
        ] {
            assert_eq!(filter(events, min_severity).admits(&example()), admits, "{events:?} {min_severity}");
        }
    }
}
