//! Lifetimes that authorities can't promise: SVIDs would be cut short, which is worth a word.

use std::time::Duration;

use steeple_ca::rotation::{MAX_SVID_TTL, longest_svid_ttl, shortest_ca_ttl};
use steeple_config::format_duration;

/// What to tell of the lifetime `ttl` that `key` asks for, if authorities of `ca_ttl` can't always give it.
pub(super) fn warning(ca_ttl: Duration, key: &str, ttl: Duration) -> Option<String> {
    let longest = longest_svid_ttl(ca_ttl);
    if ttl <= longest {
        return None;
    }
    let guarantee = format!("to guarantee the full {key} lifetime when CA rotations are scheduled.");
    let (longest, may) = (rounded(longest), "SVIDs with shorter lifetimes may be issued.");
    Some(if ttl < MAX_SVID_TTL {
        let ca_ttl = rounded(shortest_ca_ttl(ttl));
        format!(
            "{key} is too high for the configured ca_ttl value. {may} Please set {key} to {longest} or less, or the ca_ttl to {ca_ttl} or more, {guarantee}"
        )
    } else if ca_ttl < shortest_ca_ttl(MAX_SVID_TTL) {
        let (most, ca_ttl) = (rounded(MAX_SVID_TTL), rounded(shortest_ca_ttl(MAX_SVID_TTL)));
        format!(
            "{key} is too high and the ca_ttl is too low. {may} Please set {key} to {most} or less, and the ca_ttl to {ca_ttl} or more, {guarantee}"
        )
    } else {
        format!("{key} is too high. {may} Please set {key} to {longest} or less {guarantee}")
    })
}

/// A duration in whole seconds, without units that say nothing.
fn rounded(duration: Duration) -> String {
    let text = format_duration(Duration::from_secs(duration.as_secs()));
    let text = if text.ends_with("m0s") { text.trim_end_matches("0s") } else { &text };
    let text = if text.ends_with("h0m") { text.trim_end_matches("0m") } else { text };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_beyond_a_sixth_of_the_authorities_or_seven_days_are_told() {
        let hours = Duration::from_hours;
        assert_eq!(warning(hours(24), "agent_ttl", hours(4)), None);
        for (ca_ttl, ttl, told) in [
            (
                hours(24),
                hours(5),
                "agent_ttl is too high for the configured ca_ttl value. SVIDs with shorter lifetimes may be issued. Please set agent_ttl to 4h or less, or the ca_ttl to 30h or more, to guarantee the full agent_ttl lifetime when CA rotations are scheduled.",
            ),
            (
                hours(24),
                hours(200),
                "agent_ttl is too high and the ca_ttl is too low. SVIDs with shorter lifetimes may be issued. Please set agent_ttl to 168h or less, and the ca_ttl to 1008h or more, to guarantee the full agent_ttl lifetime when CA rotations are scheduled.",
            ),
            (
                hours(2_000),
                hours(200),
                "agent_ttl is too high. SVIDs with shorter lifetimes may be issued. Please set agent_ttl to 168h or less to guarantee the full agent_ttl lifetime when CA rotations are scheduled.",
            ),
        ] {
            assert_eq!(warning(ca_ttl, "agent_ttl", ttl).as_deref(), Some(told));
        }
    }
}
