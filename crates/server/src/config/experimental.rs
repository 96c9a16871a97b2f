//! Keys of `server.experimental` about following changes. Those that tune a cache which is not here are checked, and told to have
//! no effect.

use std::time::Duration;

use steeple_config::{Block, parse_duration};

use super::{ConfigError, invalid};
use crate::core::FollowSettings;

/// Reads how changes are followed.
pub(super) fn following(experimental: &Block<'_>, warnings: &mut Vec<String>) -> Result<FollowSettings, ConfigError> {
    let is_set = |key: &str| Ok::<_, ConfigError>(experimental.text(key)?.is_some_and(|text| !text.is_empty()));
    if is_set("event_timeout")? && is_set("sql_transaction_timeout")? {
        return Err(invalid("both experimental sql_transaction_timeout and event_timeout set, only set event_timeout"));
    }
    if experimental.sets_anything() {
        warnings.push(steeple_config::EXPERIMENTAL.to_owned());
    }
    if interval(experimental, "cache_reload_interval", "cache reload interval")?.is_some() {
        warnings.push(no_effect("cache_reload_interval"));
    }
    if experimental.bool("events_based_cache")? == Some(true) {
        warnings.push(no_effect("events_based_cache"));
    }
    let full = interval(experimental, "full_cache_reload_interval", "full cache reload interval")?;
    let old_name = interval(experimental, "sql_transaction_timeout", "SQL transaction timeout interval")?;
    if old_name.is_some() {
        let text = "experimental.sql_transaction_timeout is deprecated, use experimental.event_timeout instead";
        warnings.push(text.to_owned());
    }
    let timeout = interval(experimental, "event_timeout", "event timeout interval")?.or(old_name);
    let default = FollowSettings::default();
    Ok(FollowSettings {
        // 0 is the default, as in SPIRE.
        event_timeout: timeout.filter(|timeout| !timeout.is_zero()).unwrap_or(default.event_timeout),
        full_reload_interval: full.filter(|full| !full.is_zero()).unwrap_or(default.full_reload_interval),
    })
}

fn no_effect(key: &str) -> String {
    format!("experimental.{key} has no effect: entries and nodes are answered from an index that follows each change")
}

/// A duration, if it is set.
pub(super) fn interval(experimental: &Block<'_>, key: &str, what: &str) -> Result<Option<Duration>, ConfigError> {
    let Some(text) = experimental.text(key)?.filter(|text| !text.is_empty()) else { return Ok(None) };
    parse_duration(&text).map(Some).map_err(|error| invalid(format!("could not parse {what}: {error}")))
}
