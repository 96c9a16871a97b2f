//! Entries follow pods.

use std::collections::BTreeMap;

use serde_json::json;
use steeple_controller::Within;
use steeple_proto::spire::api::types;

use crate::bench::{Bench, entry_of};

#[tokio::test]
async fn pods_bring_entries_and_take_them_away() {
    let bench = Bench::new().await;
    let (server, controller) = (bench.server().await, bench.controller());
    bench.put_pod("a", "/a");
    bench.put_pod("b", "/b");
    bench.has(&["/a", "/b"]).await;
    bench.delete_pod("a");
    bench.has(&["/b"]).await;
    bench.put_pod("b", "/another");
    bench.has(&["/another"]).await;
    controller.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn restart_takes_up_everything_and_writes_nothing_twice() {
    let bench = Bench::new().await;
    let server = bench.server().await;
    let controller = bench.controller();
    bench.put_pod("a", "/a");
    bench.put_pod("b", "/b");
    bench.has(&["/a", "/b"]).await;
    controller.stop().await;
    bench.delete_pod("a");
    bench.put_pod("c", "/c");
    let written = bench.counted.writes();
    let controller = bench.controller();
    bench.has(&["/b", "/c"]).await;
    bench.compared().await;
    assert_eq!(bench.counted.writes() - written, 2, "one creation, one deletion");
    controller.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn what_others_change_about_own_entries_is_put_right() {
    let bench = Bench::new().await;
    let (server, controller) = (bench.server().await, bench.controller());
    bench.put_pod("a", "/a");
    bench.has(&["/a"]).await;
    let id = bench.entries().await["/a"].clone();
    bench.delete(id.clone()).await;
    bench.called("BatchCreateEntry", 2).await;
    bench.has(&["/a"]).await;
    assert_eq!(bench.entries().await["/a"], id, "the same entry has the same ID");
    bench.update(types::Entry { id, hint: "h".to_owned(), ..entry_of("a", "/a") }).await;
    bench.called("BatchUpdateEntry", 2).await;
    assert_eq!(bench.entry("/a").await.hint, "");
    controller.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn dry_run_tells_what_would_change_and_writes_nothing() {
    let bench = Bench::new().await;
    let (server, controller) = (bench.server().await, bench.controller());
    bench.put_pod("a", "/a");
    bench.put_pod("b", "/b");
    bench.has(&["/a", "/b"]).await;
    controller.stop().await;
    bench.delete_pod("a");
    bench.put_pod("c", "/c");
    let written = bench.counted.writes();
    let asked = bench.api_writes();
    let told: Vec<String> = bench.plan().await.into_iter().map(|planned| planned.what).collect();
    assert_eq!(told.len(), 2);
    assert!(told.contains(&"create".to_owned()) && told.contains(&"delete".to_owned()), "{told:?}");
    assert_eq!((bench.counted.writes(), bench.api_writes()), (written, asked));
    server.stop().await;
}

#[tokio::test]
async fn namespaces_that_are_named_are_followed_and_no_others() {
    let bench = Bench::new().await;
    let server = bench.server().await;
    bench.put_pod("a", "/a");
    let pod = |name: &str| {
        let metadata = json!({"uid": format!("uid-of-{name}"), "labels": {"path": name, "app": "web"}});
        json!({"metadata": metadata, "spec": {"nodeName": "node-1"}})
    };
    for namespace in ["shop", "bank", "farm"] {
        bench.put(&format!("/api/v1/namespaces/{namespace}"), json!({"metadata": {}}));
        bench.put(&format!("/api/v1/namespaces/{namespace}/pods/one"), pod(&format!("{namespace}-one")));
    }
    bench.put("/api/v1/namespaces/bank/pods/two", json!({"metadata": {"uid": "2", "labels": {"path": "bank-two"}}}));
    let labels = BTreeMap::from([("app".to_owned(), "web".to_owned())]);
    let bank = Within { labels, ..Within::default() };
    let namespaces = BTreeMap::from([("shop".to_owned(), Within::default()), ("bank".to_owned(), bank)]);
    let controller = bench.controller_with(|settings| settings.namespaces = namespaces);
    bench.has(&["/bank-one", "/shop-one"]).await;
    bench.api.known(|known| known.objects.delete("/api/v1/namespaces/shop/pods/one"));
    bench.has(&["/bank-one"]).await;
    assert_eq!(bench.lists("/api/v1/pods"), 0);
    controller.stop().await;
    server.stop().await;
}
