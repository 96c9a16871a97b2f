//! One of several controllers acts.

use crate::bench::{Bench, election, in_time};

#[tokio::test]
async fn one_controller_acts_and_the_next_takes_over() {
    let bench = Bench::new().await;
    let server = bench.server().await;
    let first = bench.controller_with(|settings| settings.election = Some(election()));
    bench.put_pod("a", "/a");
    bench.has(&["/a"]).await;
    let lists = bench.lists("/api/v1/pods");
    let second = bench.controller_with(|settings| {
        settings.election = Some(election());
        settings.identity = "two".to_owned();
    });
    in_time(bench.api.objects(|objects| objects.count("update") >= 3)).await;
    assert_eq!(bench.lists("/api/v1/pods"), lists, "who does not act does not even list");
    first.stop().await;
    bench.put_pod("b", "/b");
    bench.has(&["/a", "/b"]).await;
    assert_eq!(bench.holder(), "two");
    second.stop().await;
    assert_eq!(bench.holder(), "", "a controller that ends lets the next have the Lease");
    server.stop().await;
}
