//! Finds the container of a process, and whose container it is.

use std::path::Path;

use crate::container::{self, LocatorError, Look};

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

/// The container of the process `pid` under `root`, if it runs in one.
pub(super) fn locate(root: &Path, pid: u32) -> Result<Option<Located>, LocatorError> {
    let (cgroup, mountinfo) = container::texts(root, pid)?;
    located(&cgroup, mountinfo)
}

/// The container that the text of `cgroup`, or else that of `mountinfo`, tells of.
pub(super) fn located(
    cgroup: &str,
    mountinfo: impl FnOnce() -> Result<String, LocatorError>,
) -> Result<Option<Located>, LocatorError> {
    let found = container::located(cgroup, mountinfo, Look::Containers)?;
    let groups: Vec<&str> = container::groups(cgroup).collect();
    Ok(found.map(|found| Located { container_id: found.container.id, engine: engine(&groups) }))
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
