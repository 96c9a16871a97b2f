//! Workloads that pass themselves off as others.

use super::*;

const OTHER: &str = "82f7f152-440c-66ac-9084-e0fc1d8a910c";
const NODE: &str = "e5";

/// A pod beside [`pod`], whose identity is worth having.
fn bank() -> Value {
    let mut bank = pod();
    bank["metadata"] = json!({"name": "vault-1", "namespace": "bank", "uid": OTHER});
    bank["status"] = json!({"containerStatuses": [status("vault", "d4")]});
    bank
}

fn path_of(uid: &str, short: &str) -> String {
    format!("/kubepods/besteffort/pod{uid}/{}", id(short))
}

/// The one namespace and the one container name among selectors.
fn told(values: &[String]) -> (Vec<&str>, Vec<&str>) {
    let of = |kind: &str| values.iter().filter_map(|value| value.strip_prefix(kind)).collect();
    (of("ns:"), of("container-name:"))
}

#[tokio::test]
async fn cgroup_made_below_ones_own_is_still_ones_own() {
    let bench = Bench::new(vec![pod(), bank()], |_| {}).await;
    for below in [
        path_of(OTHER, "d4"),
        format!("/pod{OTHER}/{}", id("d4")),
        format!("/kubepods-pod{}.slice/cri-containerd-{}.scope", OTHER.replace('-', "_"), id("d4")),
        format!("/{}", id("d4")),
        format!("/{}", id(INIT)),
    ] {
        let values = bench.attest(&(path(MAIN) + &below)).await.unwrap();
        assert_eq!(told(&values), (vec!["shop"], vec!["main"]), "{below}");
    }
    let deep = format!("{}{}{}", path(MAIN), path_of(OTHER, "d4"), path_of(OTHER, "d4"));
    assert_eq!(told(&bench.attest(&deep).await.unwrap()).0, ["shop"]);
}

#[tokio::test]
async fn pod_that_starts_is_not_passed_over_for_the_one_it_names() {
    let mut starting = pod();
    starting["status"] = json!({});
    let once = |config: &mut K8sConfig| {
        (config.max_poll_attempts, config.poll_retry_interval) = (1, Duration::from_hours(1));
    };
    let bench = Bench::new(vec![bank()], once).await;
    // A list from before the pod began, which is fresh enough for others.
    bench.attest(&path_of(OTHER, "d4")).await.unwrap();
    bench.kubelet.set(vec![starting, bank()]);
    let error = bench.attest(&(path(MAIN) + &path_of(OTHER, "d4"))).await.unwrap_err();
    assert_eq!(error.message, "no selectors found after max poll attempts");
}

#[tokio::test]
async fn node_that_is_a_container_itself_does_not_hide_its_pods() {
    let bench = Bench::new(vec![pod()], |_| {}).await;
    let values = bench.attest(&format!("/docker/{}{}", id(NODE), path(MAIN))).await.unwrap();
    assert_eq!(told(&values), (vec!["shop"], vec!["main"]));
    // So does a pod of an outer cluster, which this node knows nothing of.
    let values = bench.attest(&(path_of(OTHER, NODE) + &path(MAIN))).await.unwrap();
    assert_eq!(told(&values), (vec!["shop"], vec!["main"]));
}

#[tokio::test]
async fn container_of_another_pod_is_not_taken_for_ones_own() {
    let bench = Bench::new(vec![pod(), bank()], |_| {}).await;
    for path in [path_of(UID, "d4"), path_of(OTHER, MAIN)] {
        let error = bench.attest(&path).await.unwrap_err();
        assert_eq!(error.message, "no selectors found after max poll attempts", "{path}");
    }
}

#[tokio::test]
async fn hierarchies_that_disagree_are_refused() {
    let bench = Bench::new(vec![pod(), bank()], |_| {}).await;
    let forged = format!("{}\n1:name=systemd:{}", path(MAIN), path(MAIN) + &path_of(OTHER, "d4"));
    let error = bench.attest(&forged).await.unwrap_err();
    assert!(error.message.starts_with("multiple pod UIDs found ("), "{error}");
}

#[tokio::test]
async fn mounts_of_a_process_count_only_in_our_own_cgroups() {
    let bench = Bench::new(vec![pod(), bank()], |_| {}).await;
    let (process, own) = (bench.root.path().join("proc/7"), bench.root.path().join("proc/self"));
    fs::create_dir_all(&process).unwrap();
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("cgroup"), "0::/\n").unwrap();
    // Anyone can mount another's cgroup in a mount namespace of its own.
    let mount = format!("30 23 0:26 {} /x rw - cgroup2 cgroup rw\n", path_of(OTHER, "d4"));
    fs::write(process.join("mountinfo"), mount).unwrap();
    let attest = async |cgroup: &str| {
        fs::write(process.join("cgroup"), cgroup).unwrap();
        let selectors = bench.attestor.attest(7).await.unwrap();
        selectors.iter().map(|selector| selector.value().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(attest("0::/user.slice/user-1000.slice\n").await, Vec::<String>::new());
    assert_eq!(told(&attest("0::/\n").await).0, ["bank"], "a process of our own container");
}

#[tokio::test]
async fn labels_and_names_stay_what_they_are() {
    let mut loud = pod();
    loud["metadata"]["labels"] = json!({
        "app": "web:ns:bank", "x:sa": "vault", "y": "web\nns:bank", "ns": "bank", "": "ns:bank",
    });
    loud["metadata"]["ownerReferences"] =
        json!([{"kind": "ReplicaSet\nns:bank", "name": "sa:vault", "uid": "ns:bank"}]);
    loud["status"]["containerStatuses"][0]["image"] = json!("ns:bank");
    let bench = Bench::new(vec![loud], |_| {}).await;
    let values = bench.attest(&path(MAIN)).await.unwrap();
    assert_eq!(told(&values), (vec!["shop"], vec!["main"]));
    let kinds: std::collections::BTreeSet<&str> = values.iter().filter_map(|value| value.split(':').next()).collect();
    let known = OF_POD.iter().chain(&["container-name:", "container-image:"]);
    let known = known.filter_map(|value| value.split(':').next()).collect();
    assert_eq!(kinds, known);
    assert_eq!(values.iter().filter(|value| value.starts_with("sa:")).count(), 1);
}
