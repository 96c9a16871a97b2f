//! Finds the container of a process by its cgroups.
//!
//! The kernel owns `/proc/<pid>/cgroup`, so it comes first; `mountinfo`, which a workload can shape by its mount
//! namespace, is read only when the cgroups tell nothing.

use std::io;
use std::path::Path;

/// Length of a container ID in hexadecimal digits.
const ID_LENGTH: usize = 64;

/// Whose container it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Docker,
    /// Podman, run by root or by the user `owner`.
    Podman {
        owner: Option<u32>,
    },
}

/// Where a process runs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Located {
    pub(super) container_id: String,
    pub(super) engine: Engine,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum LocatorError {
    #[error("unable to obtain cgroups: {path}: {source}")]
    Unreadable { path: String, source: io::Error },
    #[error("multiple container IDs found ({previous:?}, {current:?})")]
    Conflict { previous: String, current: String },
}

/// The container of the process `pid` under `root`, if it runs in one.
pub(super) fn locate(root: &Path, pid: u32) -> Result<Option<Located>, LocatorError> {
    let process = root.join("proc").join(pid.to_string());
    let cgroups = read(&process.join("cgroup"))?;
    located(&cgroups, || read(&process.join("mountinfo")))
}

/// The container that the text of `cgroup`, or else that of `mountinfo`, tells of.
pub(super) fn located(
    cgroups: &str,
    mountinfo: impl FnOnce() -> Result<String, LocatorError>,
) -> Result<Option<Located>, LocatorError> {
    let groups: Vec<&str> = cgroups.lines().filter_map(|line| line.splitn(3, ':').nth(2)).collect();
    let mut id = agreed_id(groups.iter().copied())?;
    if id.is_none() {
        id = agreed_id(mountinfo()?.lines().filter_map(cgroup_mount_root))?;
    }
    Ok(id.map(|container_id| Located { container_id, engine: engine(&groups) }))
}

/// A process that is gone reads as empty: it is no container's.
fn read(path: &Path) -> Result<String, LocatorError> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(LocatorError::Unreadable { path: path.display().to_string(), source }),
        Ok(text) => Ok(text),
    }
}

/// Root of a cgroup mount in a line of mountinfo; the whole hierarchy mounted (`/`) tells nothing.
fn cgroup_mount_root(line: &str) -> Option<&str> {
    let (mount, file_system) = line.split_once(" - ")?;
    let kind = file_system.split(' ').next()?;
    let root = mount.split(' ').nth(3)?;
    (matches!(kind, "cgroup" | "cgroup2") && root != "/").then_some(root)
}

/// The container ID that all `paths` agree on. Once one names a container the others must name the same one.
fn agreed_id<'a>(paths: impl Iterator<Item = &'a str>) -> Result<Option<String>, LocatorError> {
    let mut agreed: Option<&str> = None;
    for path in paths {
        let found = container_id(path);
        match (agreed, found) {
            (Some(previous), current) if current != Some(previous) => {
                return Err(LocatorError::Conflict {
                    previous: previous.to_owned(),
                    current: current.unwrap_or_default().to_owned(),
                });
            }
            (_, found) => agreed = found,
        }
    }
    Ok(agreed.map(str::to_owned))
}

/// The last segment's container ID: 64 hexadecimal digits that stand as a word.
fn container_id(path: &str) -> Option<&str> {
    path.rsplit('/').find_map(|segment| {
        segment
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .find(|word| word.len() == ID_LENGTH && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
    })
}

fn engine(groups: &[&str]) -> Engine {
    let Some(group) = groups.iter().find(|group| group.contains("libpod-") || group.contains("/libpod/")) else {
        return Engine::Docker;
    };
    let owner =
        group.split('/').find_map(|segment| segment.strip_prefix("user-")?.strip_suffix(".slice")?.parse().ok());
    Engine::Podman { owner }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn located_in(cgroup: &str, mountinfo: &str) -> Result<Option<Located>, LocatorError> {
        let dir = tempfile::tempdir().unwrap();
        let process = dir.path().join("proc/7");
        std::fs::create_dir_all(&process).unwrap();
        std::fs::write(process.join("cgroup"), cgroup).unwrap();
        std::fs::write(process.join("mountinfo"), mountinfo).unwrap();
        locate(dir.path(), 7)
    }

    #[test]
    fn layouts_of_both_cgroup_versions_are_known() {
        let docker = Some(Located { container_id: A.into(), engine: Engine::Docker });
        for group in [
            format!("2:cpu:/docker/{A}\n1:memory:/docker/{A}\n"),
            format!("0::/system.slice/docker-{A}.scope\n"),
            format!("0::/docker/{A}/init.scope\n"),
        ] {
            assert_eq!(located_in(&group, "").unwrap(), docker, "{group}");
        }
    }

    #[test]
    fn podman_is_told_by_its_cgroup_and_its_owner_by_the_slice() {
        let rootful = located_in(&format!("0::/machine.slice/libpod-{A}.scope\n"), "").unwrap().unwrap();
        assert_eq!(rootful.engine, Engine::Podman { owner: None });
        let rootless = located_in(&format!("0::/user.slice/user-1000.slice/user@1000.service/libpod-{A}.scope\n"), "");
        assert_eq!(rootless.unwrap().unwrap().engine, Engine::Podman { owner: Some(1000) });
    }

    #[test]
    fn a_forged_mount_does_not_outweigh_the_kernels_cgroup() {
        let forged = "b".repeat(64);
        let mountinfo = format!("30 20 0:1 /docker/{forged} /sys/fs/cgroup rw - cgroup2 cgroup rw\n");
        let found = located_in(&format!("0::/docker/{A}\n"), &mountinfo).unwrap().unwrap();
        assert_eq!(found.container_id, A);
        assert_eq!(located_in("0::/\n", &mountinfo).unwrap().unwrap().container_id, forged);
    }

    #[test]
    fn disagreement_is_refused_and_other_processes_are_no_containers() {
        let error = located_in(&format!("2:cpu:/docker/{A}\n1:memory:/docker/{}\n", "b".repeat(64)), "").unwrap_err();
        assert!(error.to_string().starts_with("multiple container IDs found"), "{error}");
        assert_eq!(located_in("0::/user.slice\n", "").unwrap(), None);
        assert_eq!(locate(Path::new("/nowhere"), 1).unwrap(), None);
    }
}
