//! Entries of others stay as they are.

use steeple_proto::spire::api::types;

use crate::bench::{Bench, entry_of, ownership, spiffe_id};

/// An entry as somebody else makes it.
fn foreign() -> types::Entry {
    let selectors = vec![types::Selector { r#type: "unix".to_owned(), value: "uid:1".to_owned() }];
    types::Entry { spiffe_id: Some(spiffe_id("/manual")), selectors, ..entry_of("none", "/manual") }
}

#[tokio::test]
async fn entries_of_others_are_left_alone() {
    let bench = Bench::new().await;
    let server = bench.server().await;
    bench.create(foreign()).await;
    bench.create(types::Entry { id: "scm.1".to_owned(), ..entry_of("gone", "/gone") }).await;
    bench.put_pod("a", "/a");
    let controller = bench.controller();
    bench.has(&["/a", "/gone", "/manual"]).await;
    bench.compared().await;
    bench.has(&["/a", "/gone", "/manual"]).await;
    controller.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn own_entries_bear_their_owner_in_their_id() {
    let bench = Bench::new().await;
    let (server, controller) = (bench.server().await, bench.controller());
    bench.put_pod("a", "/a");
    bench.has(&["/a"]).await;
    assert!(bench.entries().await["/a"].starts_with("steeple-demo-cluster-"));
    controller.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn same_entry_of_somebody_else_is_enough_and_stays() {
    let bench = Bench::new().await;
    let server = bench.server().await;
    let id = bench.create(entry_of("a", "/a")).await.id;
    bench.put_pod("a", "/a");
    let controller = bench.controller();
    bench.called("BatchCreateEntry", 2).await;
    bench.delete_pod("a");
    bench.put_pod("b", "/b");
    bench.has(&["/a", "/b"]).await;
    assert_eq!(bench.entries().await["/a"], id);
    controller.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn cleanup_takes_over_the_entries_of_pods_that_a_predecessor_made() {
    let bench = Bench::new().await;
    let server = bench.server().await;
    let kept = bench.create(types::Entry { hint: "old".to_owned(), ..entry_of("a", "/a") }).await.id;
    bench.create(entry_of("gone", "/gone")).await;
    bench.create(foreign()).await;
    bench.put_pod("a", "/a");
    let controller = bench.controller_with(|settings| settings.ownership = ownership(Some("")));
    bench.has(&["/a", "/manual"]).await;
    bench.called("BatchUpdateEntry", 1).await;
    assert_eq!(bench.entries().await["/a"], kept, "taken over in place: its workload is never without it");
    bench.delete_pod("a");
    bench.has(&["/manual"]).await;
    controller.stop().await;
    server.stop().await;
}
