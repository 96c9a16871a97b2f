//! Flag values that several commands share, as messages.

use std::time::Duration;

use steeple_proto::spire::api::types::federates_with_match::MatchBehavior as FederatesWithBehavior;
use steeple_proto::spire::api::types::selector_match::MatchBehavior;
use steeple_proto::spire::api::types::{Selector, Spiffeid};
use steeple_types::{IdError, SpiffeId};

use crate::commands::failure::Failure;
use crate::commands::quote::quote;

/// A SPIFFE ID.
pub(crate) fn id(text: &str) -> Result<Spiffeid, IdError> {
    let id = SpiffeId::parse(text)?;
    Ok(Spiffeid { trust_domain: id.trust_domain_name().to_owned(), path: id.path().to_owned() })
}

/// A SPIFFE ID of a message as text; empty for none.
pub(crate) fn id_text(id: Option<&Spiffeid>) -> String {
    id.map(|id| format!("spiffe://{}{}", id.trust_domain, id.path)).unwrap_or_default()
}

/// A selector, `type:value`.
pub(crate) fn selector(text: &str) -> Result<Selector, Failure> {
    let (kind, value) =
        text.split_once(':').ok_or_else(|| Failure(format!("selector \"{text}\" must be formatted as type:value")))?;
    Ok(Selector { r#type: kind.to_owned(), value: value.to_owned() })
}

/// How selectors are matched.
pub(crate) fn selector_behavior(text: &str) -> Option<MatchBehavior> {
    match text {
        "exact" => Some(MatchBehavior::MatchExact),
        "any" => Some(MatchBehavior::MatchAny),
        "superset" => Some(MatchBehavior::MatchSuperset),
        "subset" => Some(MatchBehavior::MatchSubset),
        _ => None,
    }
}

/// How trust domains are matched.
pub(crate) fn federates_with_behavior(text: &str) -> Option<FederatesWithBehavior> {
    match text {
        "exact" => Some(FederatesWithBehavior::MatchExact),
        "any" => Some(FederatesWithBehavior::MatchAny),
        "superset" => Some(FederatesWithBehavior::MatchSuperset),
        "subset" => Some(FederatesWithBehavior::MatchSubset),
        _ => None,
    }
}

/// A number of seconds for the wire.
pub(crate) fn seconds(value: i64, what: &str) -> Result<i32, Failure> {
    i32::try_from(value)
        .map_err(|_| Failure(format!("invalid value for {what}: overflow converting int({value}) to int32")))
}

/// A duration in whole seconds, rounded up.
pub(crate) fn seconds_up(duration: Duration) -> Result<i32, Failure> {
    let more = u64::from(duration.subsec_nanos() > 0);
    let seconds_up = duration.as_secs().saturating_add(more);
    seconds(i64::try_from(seconds_up).unwrap_or(i64::MAX), "TTL")
}

/// `1 entry`, `2 entries`.
pub(crate) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// The refusal of a match behaviour, as the entry commands say it.
pub(crate) fn unknown_behavior(text: &str) -> Failure {
    Failure(format!("match behavior {} unknown", quote(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_split_at_the_first_colon() {
        let read = selector("unix:uid:0").unwrap();
        assert_eq!((read.r#type.as_str(), read.value.as_str()), ("unix", "uid:0"));
        assert_eq!(selector("bad"), Err("selector \"bad\" must be formatted as type:value".into()));
    }

    #[test]
    fn durations_are_rounded_up() {
        assert_eq!(seconds_up(Duration::from_millis(1_001)), Ok(2));
        assert_eq!(seconds_up(Duration::ZERO), Ok(0));
        assert!(seconds_up(Duration::from_secs(1 << 40)).is_err());
    }
}
