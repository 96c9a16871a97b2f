//! What a pod gets by its entry, and what it gets without one.

use steeple_tests_cluster::{Entry, SLEEP, Workload, case, id};

#[test]
fn pod_has_the_identity_of_its_entry() {
    case("identity", |case| {
        let namespace = case.namespace("a")?;
        let pod = Workload { namespace: &namespace, name: "sample", script: SLEEP };
        pod.start(case.cluster)?;
        let path = format!("ns/{namespace}/sa/sample");
        let selectors = [format!("k8s:ns:{namespace}"), "k8s:sa:sample".to_owned()];
        case.entry(Entry { path: &path, selectors: &[&selectors[0], &selectors[1]] })?;
        pod.await_id(case.cluster, &id(&path))
    });
}

#[test]
fn pod_without_an_entry_has_no_identity() {
    case("no-entry", |case| {
        let namespace = case.namespace("a")?;
        let (with, without) = (
            Workload { namespace: &namespace, name: "with", script: SLEEP },
            Workload { namespace: &namespace, name: "without", script: SLEEP },
        );
        with.start(case.cluster)?;
        without.start(case.cluster)?;
        let path = format!("ns/{namespace}/sa/with");
        let namespaced = format!("k8s:ns:{namespace}");
        case.entry(Entry { path: &path, selectors: &[&namespaced, "k8s:sa:with"] })?;
        // Once the other has its identity the agent knows all entries there are.
        with.await_id(case.cluster, &id(&path))?;
        let refusal = without.ids(case.cluster)?;
        assert_ne!(refusal.exit, 0, "{refusal}");
        assert!(refusal.stderr.contains("PermissionDenied"), "{refusal}");
        assert!(refusal.stderr.contains("no identity issued"), "{refusal}");
        Ok(())
    });
}
