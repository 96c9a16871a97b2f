//! Keys of `server.experimental` that tune caches which are not here: they are checked, and told to have no effect.

use std::time::Duration;

use steeple_config::{Block, parse_duration};

use super::{ConfigError, invalid};

/// The key, and what SPIRE calls it when it is no duration.
const INTERVALS: &[(&str, &str)] = &[
    ("cache_reload_interval", "cache reload interval"),
    ("full_cache_reload_interval", "full cache reload interval"),
    ("event_timeout", "event timeout interval"),
    ("sql_transaction_timeout", "SQL transaction timeout interval"),
];

/// Checks the keys that have no effect, and tells of them.
pub(super) fn check(experimental: &Block<'_>, warnings: &mut Vec<String>) -> Result<(), ConfigError> {
    let is_set = |key: &str| Ok::<_, ConfigError>(experimental.text(key)?.is_some_and(|text| !text.is_empty()));
    if is_set("event_timeout")? && is_set("sql_transaction_timeout")? {
        return Err(invalid("both experimental sql_transaction_timeout and event_timeout set, only set event_timeout"));
    }
    for (key, what) in INTERVALS {
        if interval(experimental, key, what)?.is_some() {
            warnings.push(no_effect(key));
        }
    }
    if experimental.bool("events_based_cache")? == Some(true) {
        warnings.push(no_effect("events_based_cache"));
    }
    Ok(())
}

fn no_effect(key: &str) -> String {
    format!("experimental.{key} has no effect: entries and nodes are answered from an index that follows each change")
}

/// A duration, if it is set.
pub(super) fn interval(experimental: &Block<'_>, key: &str, what: &str) -> Result<Option<Duration>, ConfigError> {
    let Some(text) = experimental.text(key)?.filter(|text| !text.is_empty()) else { return Ok(None) };
    parse_duration(&text).map(Some).map_err(|error| invalid(format!("could not parse {what}: {error}")))
}
