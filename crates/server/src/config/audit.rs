//! The block `audit`: where the server keeps its audit trail.

use std::path::{Path, PathBuf};
use std::time::Duration;

use steeple_audit::TrailSettings;
use steeple_config::{Block, ConfigError, invalid, parse_duration};
use steeple_types::{SpiffeId, TrustDomain};

/// Keys of the block.
pub(super) const KEYS: &[&str] = &[
    "directory",
    "key_path",
    "max_segment_size",
    "max_segment_age",
    "checkpoint_records",
    "checkpoint_interval",
    "sink",
];

/// The trail's settings, if a trail is to be kept.
pub(super) fn read(
    root: &Block<'_>,
    trust_domain: &TrustDomain,
    data_dir: &Path,
) -> Result<Option<TrailSettings>, ConfigError> {
    let Some(audit) = root.block("audit")? else { return Ok(None) };
    let directory = audit.text("directory")?.filter(|directory| !directory.is_empty());
    let directory =
        directory.ok_or_else(|| invalid("audit.directory must be configured: a folder for the trail alone"))?;
    let key_path = audit.text("key_path")?.map_or_else(|| data_dir.join("audit_key.pem"), PathBuf::from);
    let authority = SpiffeId::parse(&format!("spiffe://{}/spire/server", trust_domain.name()));
    let authority = authority.map_err(|error| invalid(format!("the server's SPIFFE ID: {error}")))?;
    Ok(Some(TrailSettings {
        directory: PathBuf::from(directory),
        key_path,
        trust_domain: trust_domain.name().to_owned(),
        authority: authority.to_string(),
        max_segment_size: number(&audit, "max_segment_size", 64 << 20)?,
        max_segment_age: duration(&audit, "max_segment_age", Duration::from_hours(24))?,
        checkpoint_records: number(&audit, "checkpoint_records", 1_024)?,
        checkpoint_interval: duration(&audit, "checkpoint_interval", Duration::from_mins(1))?,
    }))
}

fn number(audit: &Block<'_>, key: &str, default: u64) -> Result<u64, ConfigError> {
    let Some(number) = audit.int(key)? else { return Ok(default) };
    let number = u64::try_from(number).ok().filter(|number| *number > 0);
    number.ok_or_else(|| invalid(format!("audit.{key} must be greater than 0")))
}

fn duration(audit: &Block<'_>, key: &str, default: Duration) -> Result<Duration, ConfigError> {
    let Some(text) = audit.text(key)? else { return Ok(default) };
    let duration =
        parse_duration(&text).map_err(|error| invalid(format!("could not parse audit.{key} {text:?}: {error}")))?;
    Some(duration)
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| invalid(format!("audit.{key} must be greater than 0")))
}
