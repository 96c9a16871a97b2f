//! Work grows with changes, not with the size of the cluster.

use std::time::Duration;

use crate::bench::Bench;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_grows_with_changes_not_with_the_size_of_the_cluster() {
    let bench = Bench::new().await;
    let server = bench.server().await;
    let controller = bench.controller_with(|settings| settings.gc_interval = Duration::from_hours(1));
    for pod in 0..2000 {
        bench.put_pod(&format!("p{pod}"), &format!("/p{pod}"));
    }
    bench.count_reaches(2000).await;
    let (lists, writes) = (bench.lists("/api/v1/pods"), bench.counted.writes());
    assert_eq!(lists, 1);
    assert!(bench.counted.of("BatchCreateEntry") <= 2000);

    // One more pod among 2,000: one call, no list of anything.
    let listed = bench.counted.of("ListEntries");
    bench.put_pod("one-more", "/one-more");
    bench.count_reaches(2001).await;
    assert_eq!(bench.counted.writes(), writes + 1);
    assert_eq!(bench.lists("/api/v1/pods"), 1);
    assert_eq!(bench.counted.of("ListEntries"), listed);

    for pod in 0..2000 {
        bench.delete_pod(&format!("p{pod}"));
    }
    bench.count_reaches(1).await;
    assert_eq!(bench.lists("/api/v1/pods"), 1);
    controller.stop().await;
    server.stop().await;
}
