//! The block `audit`: where the server keeps its audit trail.

use std::path::{Path, PathBuf};
use std::time::Duration;

use steeple_audit::{KeepSettings, Retention, TrailSettings};
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
    "compression",
    "retention",
];

/// Days for which records are kept, if nobody says otherwise: thirteen months.
const DAYS: u32 = 396;

/// Keys of the block `retention` in it.
pub(super) const RETENTION: &[&str] = &["days", "credential", "denial", "change"];

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

/// What is done with segments that are full, if a trail is kept.
pub(super) fn keep(root: &Block<'_>) -> Result<Option<KeepSettings>, ConfigError> {
    let Some(audit) = root.block("audit")? else { return Ok(None) };
    let compress = match audit.text("compression")?.as_deref() {
        None | Some("" | "none") => false,
        Some("gzip") => true,
        Some(other) => return Err(invalid(format!("audit.compression {other:?} is neither \"gzip\" nor \"none\""))),
    };
    let directory = PathBuf::from(audit.text("directory")?.unwrap_or_default());
    Ok(Some(KeepSettings { directory, compress, retention: retention(&audit)? }))
}

/// How long records are kept; for ever when it is 0 days.
fn retention(audit: &Block<'_>) -> Result<Option<Retention>, ConfigError> {
    let Some(block) = audit.block("retention")? else { return Ok(Some(Retention::days(DAYS))) };
    let days = |key: &str, default: u32| match block.int(key)? {
        None => Ok(default),
        Some(days) => {
            let days = u32::try_from(days).ok().filter(|days| *days <= 36_500);
            days.ok_or_else(|| invalid(format!("audit.retention.{key} must be from 0 to 36500 days; 0 is for ever")))
        }
    };
    let all = days("days", DAYS)?;
    let of = |key| days(key, all);
    let retention = Retention { credential: of("credential")?, denial: of("denial")?, change: of("change")? };
    let Retention { credential, denial, change } = retention;
    match [credential, denial, change] {
        [0, 0, 0] => Ok(None),
        days if days.contains(&0) => Err(invalid(
            "audit.retention keeps one class of records for ever and others not; records stand together: give days for each",
        )),
        _ => Ok(Some(retention)),
    }
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
