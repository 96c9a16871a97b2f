//! `unix`: users, groups and executable of a process.

mod accounts;
mod status;

use std::fs::File;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use steeple_plugin::{PluginError, WorkloadAttestor};
use steeple_types::Selector;

use self::accounts::Accounts;
use self::status::Status;
use crate::internal;

const NAME: &str = "unix";

/// What the `unix` attestor is told by its configuration and environment.
#[derive(Clone, Debug)]
pub struct UnixConfig {
    /// Where procfs is: `/proc`, or `$HOST_PROC`.
    pub proc_root: PathBuf,
    /// Where the `passwd` and `group` files are: `/etc`.
    pub etc_root: PathBuf,
    /// Whether `path` and `sha256` selectors are given (`discover_workload_path`).
    pub discover_workload_path: bool,
    /// Largest executable that is hashed, in bytes; 0 is no limit, negative is no hash (`workload_size_limit`).
    pub workload_size_limit: i64,
}

impl Default for UnixConfig {
    fn default() -> Self {
        Self {
            proc_root: PathBuf::from("/proc"),
            etc_root: PathBuf::from("/etc"),
            discover_workload_path: false,
            workload_size_limit: 0,
        }
    }
}

/// Attests by `/proc/<pid>`: effective user and group, supplementary groups, and on request the executable.
pub struct Unix {
    config: UnixConfig,
}

impl Unix {
    /// An attestor over the procfs that `config` names.
    pub fn new(config: UnixConfig) -> Self {
        Self { config }
    }
}

#[async_trait]
impl WorkloadAttestor for Unix {
    fn name(&self) -> &str {
        NAME
    }

    async fn attest(&self, pid: u32) -> Result<Vec<Selector>, PluginError> {
        let config = self.config.clone();
        // Hashing an executable can take long; nothing else here does.
        let values = if config.discover_workload_path {
            tokio::task::spawn_blocking(move || values(&config, pid))
                .await
                .map_err(|error| internal(NAME, format!("attestation was interrupted: {error}")))?
        } else {
            values(&config, pid)
        };
        Ok(crate::selectors(NAME, values?))
    }
}

fn values(config: &UnixConfig, pid: u32) -> Result<Vec<String>, PluginError> {
    let process = config.proc_root.join(pid.to_string());
    let status = Status::read(&process.join("status"))
        .map_err(|error| internal(NAME, format!("failed to get process {pid}: {error}")))?;
    let accounts = Accounts::new(&config.etc_root);
    let mut values = vec![format!("uid:{}", status.effective_uid)];
    values.extend(accounts.user(status.effective_uid).map(|name| format!("user:{name}")));
    values.push(format!("gid:{}", status.effective_gid));
    values.extend(accounts.group(status.effective_gid).map(|name| format!("group:{name}")));
    for gid in status.groups {
        values.push(format!("supplementary_gid:{gid}"));
        values.extend(accounts.group(gid).map(|name| format!("supplementary_group:{name}")));
    }
    if config.discover_workload_path {
        let exe = process.join("exe");
        let path = std::fs::read_link(&exe).map_err(|error| internal(NAME, format!("path lookup: {error}")))?;
        values.push(format!("path:{}", path.display()));
        if config.workload_size_limit >= 0 {
            values.push(format!("sha256:{}", digest(&exe, config.workload_size_limit)?));
        }
    }
    Ok(values)
}

/// SHA-256 of the file behind the `exe` link, which is the running image even when its path was replaced.
fn digest(exe: &Path, limit: i64) -> Result<String, PluginError> {
    let failed = |error: std::io::Error| internal(NAME, format!("SHA256 digest: {error}"));
    let file = File::open(exe).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    if limit > 0 && size > limit.unsigned_abs() {
        return Err(internal(
            NAME,
            format!("SHA256 digest: workload {} exceeds size limit ({size} > {limit})", exe.display()),
        ));
    }
    steeple_crypto::digest::sha256_hex_of(file).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn fixture() -> (tempfile::TempDir, UnixConfig) {
        let dir = tempfile::tempdir().unwrap();
        let process = dir.path().join("proc/42");
        fs::create_dir_all(&process).unwrap();
        fs::create_dir_all(dir.path().join("etc")).unwrap();
        fs::write(
            process.join("status"),
            "Name:\tx\nUid:\t1000\t1001\t1000\t1000\nGid:\t2000\t2001\t2000\t2000\nGroups:\t7 2001 \n",
        )
        .unwrap();
        fs::write(dir.path().join("program"), "abc").unwrap();
        std::os::unix::fs::symlink(dir.path().join("program"), process.join("exe")).unwrap();
        fs::write(dir.path().join("etc/passwd"), "root:x:0:0::/:\nweb:x:1001:2001::/:\n").unwrap();
        fs::write(dir.path().join("etc/group"), "staff:x:2001:\n").unwrap();
        let config = UnixConfig {
            proc_root: dir.path().join("proc"),
            etc_root: dir.path().join("etc"),
            ..UnixConfig::default()
        };
        (dir, config)
    }

    #[test]
    fn effective_ids_and_known_names_are_given() {
        let (_dir, config) = fixture();
        assert_eq!(
            values(&config, 42).unwrap(),
            [
                "uid:1001",
                "user:web",
                "gid:2001",
                "group:staff",
                "supplementary_gid:7",
                "supplementary_gid:2001",
                "supplementary_group:staff"
            ]
        );
    }

    #[test]
    fn executable_is_told_on_request_and_within_its_limit() {
        let (dir, mut config) = fixture();
        config.discover_workload_path = true;
        let found = values(&config, 42).unwrap();
        let [.., path, digest] = found.as_slice() else { panic!("too few: {found:?}") };
        assert_eq!(path, &format!("path:{}", dir.path().join("program").display()));
        assert_eq!(digest, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        config.workload_size_limit = -1;
        assert!(!values(&config, 42).unwrap().iter().any(|value| value.starts_with("sha256:")));
        config.workload_size_limit = 2;
        assert!(values(&config, 42).unwrap_err().to_string().contains("exceeds size limit (3 > 2)"));
    }

    #[test]
    fn absent_process_is_an_error_that_names_it() {
        let (_dir, config) = fixture();
        let error = values(&config, 43).unwrap_err().to_string();
        assert!(error.starts_with("workloadattestor(unix): failed to get process 43: "), "{error}");
    }
}
