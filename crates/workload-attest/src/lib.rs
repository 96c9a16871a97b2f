//! Workload attestors: `unix`, `docker` (with podman), `k8s` and `systemd`.
//!
//! Each tells the selectors of a process from what the kernel, a container daemon, a kubelet or systemd says of it.

mod container;
pub mod docker;
pub mod k8s;
pub mod systemd;
pub mod unix;

use steeple_plugin::{ErrorClass, Occupant, PluginError};
use steeple_types::Selector;

use self::container::LocatorError;

/// Type of these plugins in error texts.
const KIND: &str = "workloadattestor";

/// ID of the container, and UID of its pod, that the texts of `/proc/<pid>/cgroup` and `mountinfo` tell of, if they do.
///
/// # Errors
/// A text when they name more than one.
pub fn container_and_pod_of(cgroup: &str, mountinfo: &str) -> Result<Option<(String, Option<String>)>, String> {
    let found = container::located(cgroup, || Ok(mountinfo.to_owned()), container::Look::ContainersAndPods);
    let found = found.map_err(|error| error.to_string())?.map(|found| found.container);
    Ok(found.map(|container| (container.id, container.pod_uid)))
}

/// What was found of the processes in a place.
fn found(name: &str, place: &str, pids: Vec<u32>) -> Result<Option<Occupant>, PluginError> {
    if pids.is_empty() {
        let text = format!("no process of {place} can be seen on this node; the agent sees others only with hostPID");
        return Err(PluginError::new(KIND, name, ErrorClass::NotFound, text));
    }
    Ok(Some(Occupant::Processes(pids)))
}

fn internal(name: &str, message: impl Into<String>) -> PluginError {
    PluginError::new(KIND, name, ErrorClass::Internal, message)
}

/// That the container of a process can't be told.
fn unlocated(name: &str, error: &LocatorError) -> PluginError {
    let class = match error {
        LocatorError::Unreadable { .. } => ErrorClass::Internal,
        LocatorError::Conflict { .. } | LocatorError::LegacyConflict { .. } => ErrorClass::Unfit,
    };
    PluginError::new(KIND, name, class, error.to_string())
}

/// Turns `(sub-selector, value)` pairs into selectors of the type `name`; a pair without a value is left out.
fn selectors(name: &str, values: impl IntoIterator<Item = String>) -> Vec<Selector> {
    values.into_iter().filter_map(|value| Selector::new(name, value).ok()).collect()
}
