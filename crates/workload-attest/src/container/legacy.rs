//! The way in which SPIRE's older versions found a container and its pod in cgroup paths.

use super::{Container, ID_LENGTH, LocatorError, UID_GROUPS, groups, hexadecimal};

/// The container that the paths in the text of `cgroup` agree on; paths that have no known form are passed over.
pub(crate) fn legacy(cgroup: &str) -> Result<Option<Container>, LocatorError> {
    let mut agreed: Option<Container> = None;
    for found in groups(cgroup).filter_map(of_path) {
        let Some(previous) = &agreed else {
            agreed = Some(found);
            continue;
        };
        let conflict = |what, previous: &str, current: &str| {
            let (previous, current) = (previous.to_owned(), current.to_owned());
            Err(LocatorError::LegacyConflict { what, previous, current })
        };
        if previous.id != found.id {
            return conflict("container IDs", &previous.id, &found.id);
        }
        if previous.pod_uid != found.pod_uid {
            let uid = |container: &Container| container.pod_uid.clone().unwrap_or_default();
            return conflict("pod UIDs", &uid(previous), &uid(&found));
        }
    }
    Ok(agreed)
}

/// A container ID at the end of a path, with the UID of its pod before it; CRI-O's may have none.
fn of_path(path: &str) -> Option<Container> {
    let path = path.strip_suffix(".scope").unwrap_or(path);
    let (before, id) = path.split_at_checked(path.len().checked_sub(ID_LENGTH)?)?;
    if !hexadecimal(id) {
        return None;
    }
    let mut names_pod = false;
    for (at, _) in before.match_indices("pod") {
        let Some((uid, rest)) = before.get(at + 3..).and_then(pod_uid) else { continue };
        names_pod = true;
        let stands_alone = before.get(..at).is_some_and(|head| head.ends_with(punctuation));
        if stands_alone && is_segments(rest) {
            return Some(Container { id: id.to_owned(), pod_uid: Some(uid) });
        }
    }
    let crio = before.strip_suffix(punctuation).is_some_and(|head| head.ends_with("crio"));
    (crio && !names_pod).then(|| Container { id: id.to_owned(), pod_uid: None })
}

/// A UID, between whose groups any punctuation may stand or none, and the rest after the punctuation that ends it.
fn pod_uid(text: &str) -> Option<(String, &str)> {
    let mut rest = text;
    for (at, length) in UID_GROUPS.into_iter().enumerate() {
        if at > 0 {
            rest = rest.strip_prefix(punctuation).unwrap_or(rest);
        }
        let (group, after) = rest.split_at_checked(length)?;
        if !hexadecimal(group) {
            return None;
        }
        rest = after;
    }
    let length = text.len() - rest.len();
    let uid = text.get(..length)?.replace(punctuation, "-");
    Some((uid, rest.strip_prefix(punctuation)?))
}

/// Segments that each end with one punctuation mark.
fn is_segments(text: &str) -> bool {
    let mut last = '/';
    for c in text.chars() {
        if punctuation(c) && punctuation(last) {
            return false;
        }
        last = c;
    }
    text.is_empty() || punctuation(last)
}

fn punctuation(c: char) -> bool {
    c.is_ascii_punctuation()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const POD: &str = "72f7f152-440c-66ac-9084-e0fc1d8a910c";

    fn found(path: &str) -> Option<(Option<String>, String)> {
        legacy(&format!("0::{path}\n")).unwrap().map(|container| (container.pod_uid, container.id))
    }

    #[test]
    fn layouts_that_older_versions_know_are_found() {
        let under = POD.replace('-', "_");
        let in_pod = Some((Some(POD.to_owned()), A.to_owned()));
        for path in [
            format!("/kubepods/burstable/pod{POD}/{A}"),
            format!("/docker/{}/kubepods/besteffort/pod{POD}/{A}", "b".repeat(64)),
            format!("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{under}.slice/docker-{A}.scope"),
            format!("/kubepods-besteffort-pod{under}.slice:cri-containerd:{A}"),
            format!("/../../pod{POD}/{A}"),
        ] {
            assert_eq!(found(&path), in_pod, "{path}");
        }
        let plain = POD.replace('-', "");
        assert_eq!(found(&format!("/kubepods/pod{plain}/{A}")), Some((Some(plain), A.to_owned())));
        assert_eq!(found(&format!("/../crio-{A}.scope")), Some((None, A.to_owned())));
        for path in [
            format!("/user.slice/{A}"),
            format!("/kubepods/pod{POD}/{A}/more"),
            format!("/kubepods/pod{POD}//{A}"),
            format!("/kubepods/xpod{POD}/crio-{A}"),
            format!("/kubepods/pod{POD}/{}", A.replace('f', "g")),
        ] {
            assert_eq!(found(&path), None, "{path}");
        }
    }

    #[test]
    fn disagreement_is_refused() {
        let path = |pod: &str, id: &str| format!("1:x:/kubepods/pod{pod}/{id}\n");
        let other = POD.replace('7', "8");
        let text = |cgroup: String| legacy(&cgroup).unwrap_err().to_string();
        assert_eq!(
            text(path(POD, A) + &path(&other, A)),
            format!("multiple pod UIDs found in cgroups ({POD}, {other})")
        );
        assert!(
            text(path(POD, A) + &path(POD, &"c".repeat(64))).starts_with("multiple container IDs found in cgroups (")
        );
    }
}
