//! Which containers the kernel says a process is in.

use std::path::Path;

use tracing::debug;

use crate::container::{self, Container, Located, LocatorError, Look};

/// How a container is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Locator {
    /// By the patterns of SPIRE's older versions, which know some layouts only (`use_new_container_locator = false`).
    pub legacy: bool,
    /// Whether what was looked at is logged (`verbose_container_locator_logs`).
    pub verbose: bool,
}

impl Locator {
    /// The containers that the process `pid` is in, the outermost first; none when it is in none.
    ///
    /// A workload that may make cgroups can make one whose path goes on as another pod's does. The outer part of a path
    /// is the container runtime's.
    pub(super) fn containers(self, root: &Path, pid: u32) -> Result<Vec<Container>, LocatorError> {
        let (cgroup, mountinfo) = container::texts(root, pid)?;
        if self.verbose {
            told("PID cgroup enumerated", container::groups(&cgroup));
        }
        if self.legacy {
            return Ok(container::legacy(&cgroup)?.into_iter().collect());
        }
        let mounts = || {
            // Whoever is not in our own cgroups has named its own, and can shape its mounts at will.
            if !container::same_groups(root, &cgroup) {
                return Ok(String::new());
            }
            let text = mountinfo()?;
            if self.verbose {
                told("PID mount enumerated", container::cgroup_mounts(&text));
            }
            Ok(text)
        };
        let found = container::located(&cgroup, mounts, Look::ContainersAndPods)?;
        Ok(found.map_or_else(Vec::new, |Located { container, mut outer }| {
            outer.push(container);
            outer
        }))
    }
}

fn told<'a>(what: &str, paths: impl Iterator<Item = &'a str>) {
    let paths: Vec<&str> = paths.collect();
    let total = paths.len();
    for (at, path) in paths.into_iter().enumerate() {
        debug!(subsystem_name = "k8s", index = at + 1, total, path, "{what}");
    }
}
