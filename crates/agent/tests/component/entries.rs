//! How the agent follows the entries that it is authorised for.

use std::time::Duration;

use crate::bench::{Bench, entry};

#[tokio::test]
async fn more_entries_than_fit_a_page_all_arrive_and_only_changes_are_fetched_again() {
    let mut bench = Bench::without_agent().await;
    bench.settings.x509_svid_cache_max_size = 1;
    for number in 0..1_100 {
        bench.operator().create(entry(&format!("e{number}"), &["x", &format!("e{number}")])).await;
    }
    bench.start().await;
    bench.settle().await;
    for id in ["e0", "e499", "e500", "e501", "e1099"] {
        bench.labels.set(&["x", id]);
        assert_eq!(bench.workload().ids().await, [format!("spiffe://example.org/{id}")]);
    }
    bench.operator().delete("e500").await;
    let mut changed = entry("e501", &["x", "changed"]);
    changed.hint = "new".to_owned();
    bench.operator().update(changed).await;
    bench.settle().await;
    bench.labels.set(&["x", "e500"]);
    assert!(bench.workload().ids().await.is_empty());
    bench.labels.set(&["x", "changed"]);
    assert_eq!(bench.workload().x509().await.unwrap().svids[0].hint, "new");
}

#[tokio::test]
async fn entry_made_anew_under_an_old_id_is_another_one() {
    let mut bench = Bench::new().await;
    bench.entry("a", &["w"]).await;
    let first = bench.workload().x509().await.unwrap();
    bench.operator().delete("a").await;
    bench.hand.advance(Duration::from_secs(1));
    let mut again = entry("a", &["w"]);
    again.hint = "again".to_owned();
    // Revision 0 like the first; only the time of its creation tells it apart.
    bench.operator().create(again).await;
    bench.settle().await;
    let second = bench.workload().x509().await.unwrap();
    assert_eq!(second.svids[0].hint, "again");
    assert_ne!(second.svids[0].x509_svid, first.svids[0].x509_svid);
}

#[tokio::test]
async fn entries_are_asked_for_every_interval_and_more_rarely_while_the_server_is_away() {
    let mut bench = Bench::new().await;
    let synced = bench.server.counted.of("SyncAuthorizedEntries");
    for _ in 0..4 {
        bench.pass(Duration::from_secs(5)).await;
    }
    assert_eq!(bench.server.counted.of("SyncAuthorizedEntries"), synced + 4);
    bench.wire.cut();
    for _ in 0..24 {
        bench.pass(Duration::from_secs(5)).await;
    }
    // 5 s, 7.5 s, 11 s, 17 s, 25 s, 38 s: two minutes hold some six attempts, not twenty-four.
    let failed = bench.log().matches("Synchronize failed").count();
    assert!((4..=8).contains(&failed), "{failed}");
    bench.wire.lay(bench.server.address);
    for _ in 0..30 {
        bench.pass(Duration::from_secs(5)).await;
    }
    bench.entry("a", &["w"]).await;
    assert_eq!(bench.workload().ids().await, ["spiffe://example.org/a"]);
}

#[tokio::test]
async fn workloads_are_not_served_before_the_first_synchronisation() {
    let mut bench = Bench::new().await;
    bench.entry("a", &["w"]).await;
    bench.stop().await;
    bench.wire.cut();
    bench.spawn();
    while !bench.log().contains("Synchronize failed") {
        tokio::task::yield_now().await;
    }
    assert!(!bench.settings.socket_path.exists(), "who asked now would hear that he has no identity");
    bench.wire.lay(bench.server.address);
    while !bench.progress().serving {
        bench.pass(Duration::from_secs(10)).await;
        tokio::task::yield_now().await;
    }
    bench.served().await;
    assert_eq!(bench.workload().ids().await, ["spiffe://example.org/a"]);
}
