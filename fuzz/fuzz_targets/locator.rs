//! Cgroup paths and mounts: who is in a container is named by a whole container ID that stands there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use steeple_workload_attest::container_and_pod_of;

fuzz_target!(|text: &str| {
    let (cgroup, mountinfo) = text.split_once('\0').unwrap_or((text, ""));
    let Ok(Some((id, pod))) = container_and_pod_of(cgroup, mountinfo) else { return };
    assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert!(cgroup.contains(&id) || mountinfo.contains(&id));
    if let Some(pod) = &pod {
        let written = format!("pod{pod}");
        let stands = |text: &str| text.replace('_', "-").contains(&written);
        assert!(pod.len() == 36 && (stands(cgroup) || stands(mountinfo)));
    }
    // What the kernel says outweighs the mounts.
    if let Ok(Some(of_cgroup)) = container_and_pod_of(cgroup, "") {
        assert_eq!(of_cgroup, (id, pod));
    }
});
