//! The programs that tests need, from Debian's packages; of Python's packages the interpreter that has them.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Grafana's own classes of dashboards, for Python.
pub const GRAFANA_SDK: &str = "grafana-sdk";

/// A program on `PATH`, in Debian's folders, or where Debian puts PostgreSQL's.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    if name == GRAFANA_SDK {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache/peers");
        let cache = std::env::var_os("STEEPLE_PEERS").map_or(here, PathBuf::from);
        return Some(cache.join(name).join("bin/python")).filter(|path| path.is_file());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from);
    // Libraries that are loaded into programs.
    let loaded = ["faketime", "rsyslog"].map(|of| Path::new("/usr/lib/x86_64-linux-gnu").join(of));
    postgres()
        .into_iter()
        .chain(debian)
        .chain(loaded)
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// The folder with PostgreSQL's programs, of the newest version that is there.
fn postgres() -> Option<PathBuf> {
    let versions = std::fs::read_dir(Path::new("/usr/lib/postgresql")).ok()?;
    let version = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let newest = versions.filter_map(|entry| Some(entry.ok()?.path())).max_by_key(version)?;
    Some(newest.join("bin"))
}

/// The path of a program that [`missing`] has said is there.
///
/// # Errors
/// When it is not.
pub fn path(name: &str) -> Result<PathBuf> {
    find(name).with_context(|| format!("peer absent: {name}"))
}

/// Whether one of the peers is absent: the test is then left out and noted, or fails where all are required.
///
/// # Errors
/// When a peer is absent and `STEEPLE_REQUIRE_PEERS` is 1.
pub fn missing(peers: &[&str]) -> Result<bool> {
    let Some(absent) = peers.iter().find(|name| find(name).is_none()) else {
        return Ok(false);
    };
    eprintln!("peer absent: {absent}");
    if std::env::var("STEEPLE_REQUIRE_PEERS").is_ok_and(|value| value == "1") {
        bail!("peer absent: {absent}");
    }
    if let (Some(list), Some(test)) = (std::env::var_os("STEEPLE_SKIPPED"), std::thread::current().name()) {
        let mut list = std::fs::File::options().create(true).append(true).open(list)?;
        list.write_all(format!("{test}\n").as_bytes())?;
    }
    Ok(true)
}
