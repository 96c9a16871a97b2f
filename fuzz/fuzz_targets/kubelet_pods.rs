//! A kubelet's list of pods: whoever is found by a container's ID has that ID.
#![no_main]

use libfuzzer_sys::fuzz_target;
use steeple_k8s::pod;

fuzz_target!(|bytes: &[u8]| {
    let Ok(pods) = pod::list(bytes) else { return };
    for pod in &pods {
        assert!(pod.container("").is_none());
        let status = &pod.status;
        let all = [&status.container_statuses, &status.init_container_statuses, &status.ephemeral_container_statuses];
        for container in all.into_iter().flatten() {
            let Some((_, id)) = container.container_id.split_once("://") else { continue };
            let found = pod.container(id).map(|found| found.container_id.ends_with(&format!("://{id}")));
            assert_eq!(found, (!id.is_empty()).then_some(true));
        }
    }
});
