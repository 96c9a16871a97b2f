//! The block `experimental`.

use std::collections::BTreeMap;
use std::time::Duration;

use steeple_config::{Block, ConfigError, format_duration, invalid, parse_duration};
use steeple_crypto::tls::KeyExchange;

use super::Reader;
use crate::api::table;
use crate::server::CALL_DEADLINE;

/// Least time for which a server is waited for while a token is at hand.
const LEAST_WAIT: Duration = Duration::from_secs(5);

impl Reader<'_> {
    fn experimental(&self) -> Result<Block<'_>, ConfigError> {
        Ok(self.agent.block.block("experimental")?.unwrap_or_default())
    }

    /// What is said and has no effect.
    pub(super) fn warnings(&self) -> Result<Vec<String>, ConfigError> {
        let experimental = self.experimental()?;
        let mut warnings = Vec::new();
        if experimental.sets_anything() {
            warnings.push(steeple_config::EXPERIMENTAL.to_owned());
        }
        if experimental.bool("use_sync_authorized_entries")?.is_some() {
            warnings.push(
                "experimental.use_sync_authorized_entries is deprecated and has no effect: only entries that have \
                 changed are fetched whole, from every server that can tell them apart"
                    .to_owned(),
            );
        }
        Ok(warnings)
    }

    pub(super) fn sync_interval(&self) -> Result<Duration, ConfigError> {
        let experimental = self.experimental()?;
        match experimental.text("sync_interval")?.filter(|text| !text.is_empty()) {
            None => Ok(Duration::from_secs(5)),
            Some(text) => parse_duration(&text)
                .map_err(|error| invalid(format!("could not parse synchronization interval: {error}"))),
        }
    }

    pub(super) fn jwt_svid_cache_hit_timeout(&self) -> Result<Duration, ConfigError> {
        let key = "jwt_svid_cache_hit_timeout";
        let Some(text) = self.experimental()?.text(key)?.filter(|text| !text.is_empty()) else {
            return Ok(CALL_DEADLINE);
        };
        let timeout = parse_duration(&text).map_err(|error| invalid(format!("could not parse {key}: {error}")))?;
        let shown = format_duration(timeout);
        if timeout < LEAST_WAIT {
            return Err(invalid(format!("{key} ({shown}) must be greater than {}", format_duration(LEAST_WAIT))));
        }
        if timeout >= CALL_DEADLINE {
            return Err(invalid(format!("{key} ({shown}) must be less than {}", format_duration(CALL_DEADLINE))));
        }
        Ok(timeout)
    }

    pub(super) fn workload_limits(&self) -> Result<BTreeMap<&'static str, u32>, ConfigError> {
        let block = self.experimental()?.block("ratelimit")?.unwrap_or_default();
        let mut limits = BTreeMap::new();
        for (key, method) in table::limits() {
            let per_second = block.int(key)?.unwrap_or_default();
            if per_second < 0 {
                return Err(invalid(format!("experimental.ratelimit.{key} must not be negative")));
            }
            if per_second > 0 {
                limits.insert(method, u32::try_from(per_second).unwrap_or(u32::MAX));
            }
        }
        Ok(limits)
    }

    pub(super) fn key_exchange(&self) -> Result<KeyExchange, ConfigError> {
        Ok(KeyExchange::of_demand(self.experimental()?.bool("require_pq_kem")?.unwrap_or(false)))
    }
}
