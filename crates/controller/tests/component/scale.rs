//! Work grows with changes, not with the size of the cluster.

use std::time::Duration;

use serde_json::json;

use crate::bench::Bench;

/// Waits until the controller has nothing under way: an entry that is asked for now is there, and its object says so.
async fn settle(bench: &Bench, marker: &str) {
    let path = format!("/apis/spire.spiffe.io/v1alpha1/clusterstaticentries/{marker}");
    let spiffe_id = format!("spiffe://example.org/{marker}");
    let spec = json!({"spiffeID": spiffe_id, "parentID": "spiffe://example.org/node", "selectors": ["a:1"]});
    bench.put(&path, json!({"metadata": {"uid": marker}, "spec": spec}));
    bench.status(&path, |status| status["set"] == true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_grows_with_changes_not_with_the_size_of_the_cluster() {
    let bench = Bench::new().await;
    let server = bench.server().await;
    let controller = bench.controller_with(|settings| settings.gc_interval = Duration::from_hours(1));
    for pod in 0..2000 {
        bench.put_pod(&format!("p{pod}"), &format!("/p{pod}"));
    }
    bench.count_reaches(2000).await;
    settle(&bench, "before").await;
    let (lists, writes) = (bench.lists("/api/v1/pods"), bench.counted.writes());
    assert_eq!(lists, 1);
    assert!(bench.counted.of("BatchCreateEntry") <= 2001);

    // One more pod among 2,000: one call, no list of anything.
    let listed = bench.counted.of("ListEntries");
    bench.put_pod("one-more", "/one-more");
    bench.count_reaches(2002).await;
    settle(&bench, "after").await;
    assert_eq!(bench.counted.writes(), writes + 2, "one for the pod, one for what was settled by");
    assert_eq!(bench.lists("/api/v1/pods"), 1);
    assert_eq!(bench.counted.of("ListEntries"), listed);

    for pod in 0..2000 {
        bench.delete_pod(&format!("p{pod}"));
    }
    bench.count_reaches(3).await;
    assert_eq!(bench.lists("/api/v1/pods"), 1);
    controller.stop().await;
    server.stop().await;
}
