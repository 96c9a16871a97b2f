//! Where a kubelet has volumes mounted: `<root>/pods/<UID>/volumes/kubernetes.io~csi/<volume>/mount`.

use std::path::{Component, Path};

use serde::Deserialize;
use steeple_types::PodUid;

/// Longest file of a kubelet about a volume that is read, in bytes.
const MAX_VOL_DATA: u64 = 64 << 10;

/// The UID of the pod that a kubelet's target path belongs to. The kubelet makes the path, so nobody else has a say in it.
pub fn pod_uid(target: &Path) -> Option<PodUid> {
    let components: Vec<&str> = target.components().rev().take(6).map(name).collect::<Option<_>>()?;
    match components.as_slice() {
        ["mount", _volume, "kubernetes.io~csi", "volumes", uid, "pods"] => PodUid::parse(uid).ok(),
        _ => None,
    }
}

fn name(component: Component<'_>) -> Option<&str> {
    match component {
        Component::Normal(name) => name.to_str(),
        _ => None,
    }
}

/// Whether a path leads from the root without detours.
pub fn is_plain(target: &Path) -> bool {
    let mut components = target.components();
    components.next() == Some(Component::RootDir)
        && components.all(|component| matches!(component, Component::Normal(_)))
        && target.to_str().is_some_and(|text| !text.contains("/./") && !text.ends_with("/."))
}

/// What a kubelet notes of a volume beside its mount point.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VolData {
    driver_name: String,
}

/// Whether the kubelet's note beside the mount point says that `driver` was to mount there.
pub(crate) fn is_noted(target: &Path, driver: &str) -> bool {
    use std::io::Read;
    let read = || {
        let file = std::fs::File::open(target.parent()?.join("vol_data.json")).ok()?;
        let mut text = String::new();
        file.take(MAX_VOL_DATA).read_to_string(&mut text).ok()?;
        serde_json::from_str::<VolData>(&text).ok()
    };
    read().is_some_and(|note| note.driver_name == driver)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "72f7f152-440c-66ac-9084-e0fc1d8a910c";

    #[test]
    fn uid_is_read_from_paths_of_a_kubelets_form_only() {
        let target = format!("/var/lib/kubelet/pods/{UID}/volumes/kubernetes.io~csi/api/mount");
        let uid = PodUid::parse(UID).ok();
        assert_eq!(pod_uid(Path::new(&target)), uid);
        assert_eq!(pod_uid(Path::new(&format!("/x{target}"))), uid);
        for other in [
            target.replace("/mount", ""),
            target.replace("~csi", "~secret"),
            target.replace("/volumes", ""),
            target.replace("/pods", "/nods"),
            target.replace("/api/", "/../"),
            target.replace('7', "x"),
            format!("{target}/mount"),
        ] {
            assert_eq!(pod_uid(Path::new(&other)), None, "{other}");
        }
    }

    #[test]
    fn paths_with_detours_are_not_plain() {
        assert!(is_plain(Path::new("/var/lib")) && is_plain(Path::new("/x")));
        for detour in ["", "x", "./x", "../x", "/x/..", "/../x", "/x/./y", "/x/."] {
            assert!(!is_plain(Path::new(detour)), "{detour}");
        }
    }

    #[test]
    fn note_of_the_kubelet_names_the_driver() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("mount");
        assert!(!is_noted(&target, "csi.spiffe.io"), "there is none");
        let note = |text: &str| std::fs::write(folder.path().join("vol_data.json"), text).unwrap();
        note("{\"driverName\":\"csi.spiffe.io\",\"volumeHandle\":\"x\"}");
        assert!(is_noted(&target, "csi.spiffe.io") && !is_noted(&target, "other"));
        note("{");
        assert!(!is_noted(&target, "csi.spiffe.io"));
    }
}
