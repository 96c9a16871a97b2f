//! Finds the container of a process, and the pod of that container, by the process's cgroups.
//!
//! The kernel owns `/proc/<pid>/cgroup`, so it comes first; `mountinfo`, which a workload can shape by its mount
//! namespace, is read only when the cgroups tell nothing.

mod legacy;

use std::io;
use std::path::Path;

pub(crate) use self::legacy::legacy;

/// Length of a container ID in hexadecimal digits.
const ID_LENGTH: usize = 64;
/// Lengths of the groups of a pod's UID, in hexadecimal digits.
const UID_GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

/// Where a process runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Container {
    /// ID of the container, 64 hexadecimal digits.
    pub(crate) id: String,
    /// UID of its pod, if the paths tell one and it was asked for.
    pub(crate) pod_uid: Option<String>,
}

/// Whether pods are looked for too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Containers,
    ContainersAndPods,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum LocatorError {
    #[error("unable to obtain cgroups: {path}: {source}")]
    Unreadable { path: String, source: io::Error },
    #[error("multiple {what} found ({previous:?}, {current:?})")]
    Conflict { what: &'static str, previous: String, current: String },
    #[error("multiple {what} found in cgroups ({previous}, {current})")]
    LegacyConflict { what: &'static str, previous: String, current: String },
}

/// A container, and those around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Located {
    /// The innermost container that the paths name.
    pub(crate) container: Container,
    /// What else the path names, the outermost first: a node that is a container itself, or a container that made a cgroup
    /// with another's name for itself.
    pub(crate) outer: Vec<Container>,
}

/// The texts of `cgroup` and `mountinfo` of the process `pid` under `root`; the latter is read when it is asked for.
pub(crate) fn texts(
    root: &Path,
    pid: u32,
) -> Result<(String, impl FnOnce() -> Result<String, LocatorError>), LocatorError> {
    let process = root.join("proc").join(pid.to_string());
    let cgroup = read(&process.join("cgroup"))?;
    Ok((cgroup, move || read(&process.join("mountinfo"))))
}

/// The PIDs of all processes under `root`, in order.
pub(crate) fn pids(root: &Path) -> io::Result<Vec<u32>> {
    let entries = std::fs::read_dir(root.join("proc"))?;
    let mut pids: Vec<u32> = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    Ok(pids)
}

/// A process that is gone reads as empty: it is no container's.
fn read(path: &Path) -> Result<String, LocatorError> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(LocatorError::Unreadable { path: path.display().to_string(), source }),
        Ok(text) => Ok(text),
    }
}

/// The paths in the text of `cgroup`.
pub(crate) fn groups(cgroup: &str) -> impl Iterator<Item = &str> {
    cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2))
}

/// Whether a process whose `cgroup` this is has the cgroups of the process that asks.
pub(crate) fn same_groups(root: &Path, cgroup: &str) -> bool {
    read(&root.join("proc/self/cgroup")).is_ok_and(|own| own == cgroup)
}

/// The roots of cgroup mounts in the text of `mountinfo`.
pub(crate) fn cgroup_mounts(mountinfo: &str) -> impl Iterator<Item = &str> {
    mountinfo.lines().filter_map(cgroup_mount_root)
}

/// The container that the text of `cgroup`, or else that of `mountinfo`, tells of.
pub(crate) fn located(
    cgroup: &str,
    mountinfo: impl FnOnce() -> Result<String, LocatorError>,
    look: Look,
) -> Result<Option<Located>, LocatorError> {
    if let Some(container) = agreed(groups(cgroup), look)? {
        return Ok(Some(with_outer(container, groups(cgroup), look)));
    }
    let mountinfo = mountinfo()?;
    let found = agreed(cgroup_mounts(&mountinfo), look)?;
    Ok(found.map(|container| with_outer(container, cgroup_mounts(&mountinfo), look)))
}

/// A container, with what the longest path to it names before it.
fn with_outer<'a>(container: Container, paths: impl Iterator<Item = &'a str>, look: Look) -> Located {
    let nested = paths.map(|path| nested(path, look)).filter(|found| found.last() == Some(&container));
    let mut outer = nested.max_by_key(Vec::len).unwrap_or_default();
    outer.pop();
    Located { container, outer }
}

/// Root of a cgroup mount in a line of mountinfo; the whole hierarchy mounted (`/`) tells nothing.
fn cgroup_mount_root(line: &str) -> Option<&str> {
    let (mount, file_system) = line.split_once(" - ")?;
    let kind = file_system.split(' ').next()?;
    let root = mount.split(' ').nth(3)?;
    (matches!(kind, "cgroup" | "cgroup2") && root != "/").then_some(root)
}

/// The container that all `paths` agree on.
///
/// Once one names a container the others must name the same one. A path that names a pod outweighs those that don't: in
/// a cluster whose nodes are containers themselves, some paths name only the node's.
fn agreed<'a>(paths: impl Iterator<Item = &'a str>, look: Look) -> Result<Option<Container>, LocatorError> {
    let mut agreed: Option<Container> = None;
    for path in paths {
        let found = container(path, look);
        let Some(previous) = &agreed else {
            agreed = found;
            continue;
        };
        let pod = found.as_ref().and_then(|found| found.pod_uid.clone());
        match (&previous.pod_uid, &pod) {
            (Some(_), None) => continue,
            (None, Some(_)) => {
                agreed = found;
                continue;
            }
            (Some(previous), Some(current)) if previous != current => {
                return Err(conflict("pod UIDs", previous, current));
            }
            _ => {}
        }
        let id = found.as_ref().map(|found| found.id.as_str()).unwrap_or_default();
        if id != previous.id {
            return Err(conflict("container IDs", &previous.id, id));
        }
    }
    Ok(agreed)
}

fn conflict(what: &'static str, previous: &str, current: &str) -> LocatorError {
    LocatorError::Conflict { what, previous: previous.to_owned(), current: current.to_owned() }
}

/// All containers in a path, the outermost first.
fn nested(path: &str, look: Look) -> Vec<Container> {
    let mut found = Vec::new();
    let mut rest = path;
    while let Some(container) = container(rest, look) {
        // What stands before the container's ID is looked at next.
        rest = rest.rfind(&container.id).and_then(|at| rest.get(..at)).unwrap_or_default();
        found.push(container);
    }
    found.reverse();
    found
}

/// The last container ID in a path, 64 hexadecimal digits that stand as a word, and the last pod's UID before it.
fn container(path: &str, look: Look) -> Option<Container> {
    let mut rest = path;
    while !rest.is_empty() {
        let (before, segment) = rest.rsplit_once('/').unwrap_or(("", rest));
        if let Some(id) = words(segment).find(|word| word.len() == ID_LENGTH && hexadecimal(word)) {
            let head = segment.split_once(id).map_or("", |(head, _)| head);
            let mut heads = std::iter::once(head).chain(before.rsplit('/'));
            let pod_uid = if look == Look::ContainersAndPods { heads.find_map(pod_uid) } else { None };
            return Some(Container { id: id.to_owned(), pod_uid });
        }
        rest = before;
    }
    None
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
}

fn hexadecimal(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The first UID behind the letters `pod` that stands as a word in a segment. systemd's driver writes its dashes as underscores.
fn pod_uid(segment: &str) -> Option<String> {
    segment.match_indices("pod").find_map(|(at, _)| {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (before, rest) = segment.split_at_checked(at)?;
        let (uid, after) = rest.strip_prefix("pod")?.split_at_checked(36)?;
        let stands_alone = !before.ends_with(is_word) && !after.starts_with(is_word);
        let uid = uid.replace('_', "-");
        let mut groups = uid.split('-');
        let formed =
            UID_GROUPS.iter().all(|length| groups.next().is_some_and(|g| g.len() == *length && hexadecimal(g)));
        (stands_alone && formed && groups.next().is_none()).then_some(uid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const POD: &str = "72f7f152-440c-66ac-9084-e0fc1d8a910c";

    fn found(cgroup: &str) -> Result<Option<Container>, LocatorError> {
        let found = located(cgroup, || Ok(String::new()), Look::ContainersAndPods)?;
        Ok(found.map(|found| found.container))
    }

    fn in_pod() -> Container {
        Container { id: A.to_owned(), pod_uid: Some(POD.to_owned()) }
    }

    #[test]
    fn pods_are_found_in_the_layouts_of_every_runtime() {
        let under = POD.replace('-', "_");
        for path in [
            format!("/kubepods/burstable/pod{POD}/{A}"),
            format!("/kubepods/pod{POD}/{A}"),
            format!("/docker/{}/kubepods/besteffort/pod{POD}/{A}", "b".repeat(64)),
            format!("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{under}.slice/docker-{A}.scope"),
            format!("/kubepods.slice/kubepods-pod{under}.slice/cri-containerd-{A}.scope"),
            format!("/kubepods-besteffort-pod{under}.slice:cri-containerd:{A}"),
            format!("/kubepods.slice/kubepods-pod{under}.slice/crio-{A}.scope/container"),
            format!("/../../pod{POD}/{A}"),
        ] {
            assert_eq!(found(&format!("0::{path}\n")).unwrap(), Some(in_pod()), "{path}");
        }
        let own = found(&format!("0::/../{A}\n")).unwrap();
        assert_eq!(own, Some(Container { id: A.to_owned(), pod_uid: None }), "a container of the agent's own pod");
    }

    #[test]
    fn a_path_with_a_pod_outweighs_those_without() {
        let node = "b".repeat(64);
        let with = format!("0::/docker/{node}/kubepods/besteffort/pod{POD}/{A}");
        let without = format!("1:x:/docker/{node}/system.slice/containerd.service");
        assert_eq!(found(&format!("{with}\n{without}\n")).unwrap(), Some(in_pod()));
        assert_eq!(found(&format!("{without}\n{with}\n")).unwrap(), Some(in_pod()));
    }

    #[test]
    fn disagreement_is_refused() {
        let path = |pod: &str, id: &str| format!("1:x:/kubepods/pod{pod}/{id}\n");
        let other = POD.replace('7', "8");
        let error = found(&(path(POD, A) + &path(&other, A))).unwrap_err().to_string();
        assert_eq!(error, format!("multiple pod UIDs found ({POD:?}, {other:?})"));
        let error = found(&(path(POD, A) + &path(POD, &"c".repeat(64)))).unwrap_err().to_string();
        assert!(error.starts_with("multiple container IDs found ("), "{error}");
    }

    #[test]
    fn what_only_looks_like_a_pod_is_none() {
        for path in [
            format!("/kubepods/xpod{POD}/{A}"),
            format!("/kubepods/pod{POD}0/{A}"),
            format!("/kubepods/pod{}/{A}", POD.replace('7', "g")),
            format!("/kubepods/pod{}/{A}", POD.replace('-', ":")),
            format!("/{A}/pod{POD}"),
        ] {
            assert_eq!(found(&format!("0::{path}\n")).unwrap().and_then(|found| found.pod_uid), None, "{path}");
        }
        assert_eq!(found(&format!("0::/kubepods/pod{POD}\n")).unwrap(), None);
    }
}
