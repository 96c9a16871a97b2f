//! What can't be reached is tried again, and nothing is deleted for it.

use serde_json::json;
use steeple_k8s::fake::Refusal;

use crate::bench::{Bench, by_label, identity_path, in_time};

#[tokio::test]
async fn entries_are_kept_while_the_server_is_away_and_follow_when_it_is_back() {
    let bench = Bench::new().await;
    let controller = bench.controller();
    bench.put_pod("a", "/a");
    let server = bench.server().await;
    bench.has(&["/a"]).await;
    server.stop().await;
    bench.put_pod("b", "/b");
    let server = bench.server().await;
    bench.has(&["/a", "/b"]).await;
    controller.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn nothing_is_deleted_before_all_objects_are_known() {
    let bench = Bench::new().await;
    let server = bench.server().await;
    let controller = bench.controller();
    bench.put_pod("a", "/a");
    bench.has(&["/a"]).await;
    controller.stop().await;
    let refusal = Refusal { verb: "list", path: "/api/v1/pods", status: 500, reason: "InternalError" };
    bench.api.known(|known| known.objects.refusals = vec![refusal; 1000]);
    let controller = bench.controller();
    in_time(
        bench
            .api
            .objects(|objects| objects.requests.iter().filter(|r| r.verb == "list" && r.status == 500).count() >= 2),
    )
    .await;
    bench.has(&["/a"]).await;
    bench.delete_pod("a");
    bench.api.known(|known| known.objects.refusals.clear());
    bench.has(&[]).await;
    controller.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn watch_that_breaks_off_goes_on() {
    let bench = Bench::new().await;
    let (server, controller) = (bench.server().await, bench.controller());
    bench.put_pod("a", "/a");
    bench.has(&["/a"]).await;
    bench.api.known(|known| known.objects.end_watches());
    bench.put_pod("b", "/b");
    bench.has(&["/a", "/b"]).await;
    controller.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn refused_entry_is_told_and_tried_again() {
    let bench = Bench::new().await;
    let (server, controller) = (bench.server().await, bench.controller());
    let spec = json!({"spiffeIDTemplate": by_label(""), "federatesWith": ["other.example"]});
    bench.put_identity("all", spec);
    let labels = json!({"matchLabels": {"path": "b"}});
    bench.put_identity("some", json!({"spiffeIDTemplate": by_label("/some"), "podSelector": labels}));
    bench.put_pod("a", "/a");
    bench.put_pod("b", "/b");
    bench.has(&["/some/b"]).await;
    let refused = |status: &serde_json::Value| status["stats"]["entryFailures"] == 2;
    let status = bench.status(&identity_path("all"), refused).await;
    let ready = &status["conditions"][1];
    assert_eq!(
        (&ready["type"], &ready["status"], &ready["reason"]),
        (&"Ready".into(), &"False".into(), &"EntryFailures".into())
    );
    in_time(bench.api.objects(|objects| !objects.all_at("/api/v1/events").is_empty())).await;
    let events = bench.events();
    assert_eq!((events[0].0.as_str(), events[0].1.as_str()), ("all", "EntryRefused"));
    assert!(events[0].2.contains("other.example"), "{events:?}");
    bench.federate("other.example").await;
    bench.has(&["/a", "/b", "/some/b"]).await;
    assert_eq!(bench.entry("/a").await.federates_with, ["other.example"]);
    bench.status(&identity_path("all"), |status| status["stats"]["entryFailures"] == 0).await;
    controller.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn roles_of_spire_controller_manager_are_enough() {
    let bench = Bench::new().await;
    let refusals = ["/endpointslices", "/workloadidentities"].map(|path| {
        let refusal = Refusal { verb: "list", path, status: 403, reason: "Forbidden" };
        vec![refusal; 100]
    });
    bench.api.known(|known| known.objects.refusals = refusals.concat());
    bench.put_identity("all", json!({"spiffeIDTemplate": by_label(""), "autoPopulateDNSNames": true}));
    let address = json!({"ip": "10.0.0.1", "targetRef": {"kind": "Pod", "name": "a", "uid": "uid-of-a"}});
    let endpoints = json!({"metadata": {}, "subsets": [{"addresses": [address]}]});
    bench.put("/api/v1/namespaces/default/endpoints/web", endpoints);
    bench.put_pod("a", "/a");
    let (server, controller) = (bench.server().await, bench.controller());
    bench.has(&["/a"]).await;
    while !bench.entry("/a").await.dns_names.contains(&"web.default".to_owned()) {
        bench.called("BatchUpdateEntry", bench.counted.of("BatchUpdateEntry") + 1).await;
    }
    // What is gone is deleted once all kinds are known.
    bench.delete_pod("a");
    bench.has(&[]).await;
    controller.stop().await;
    server.stop().await;
}
