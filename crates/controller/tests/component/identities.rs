//! What identity objects tell of themselves, and which of them count.

use serde_json::{Value, json};

use crate::bench::{Bench, by_label, identity_path, in_time};

fn stats(status: &Value) -> [i64; 4] {
    let count = |name: &str| status["stats"][name].as_i64().unwrap_or_default();
    [count("podsSelected"), count("podEntryRenderFailures"), count("entriesMasked"), count("entriesToSet")]
}

fn condition<'a>(status: &'a Value, kind: &str) -> &'a Value {
    status["conditions"].as_array().unwrap().iter().find(|condition| condition["type"] == kind).unwrap()
}

#[tokio::test]
async fn status_counts_and_says_what_is_wrong() {
    let bench = Bench::new().await;
    let (server, controller) = (bench.server().await, bench.controller());
    bench.put_identity("all", json!({"spiffeIDTemplate": "{{ .PodMeta.Name }} is no ID", "namespaceSelector": {"matchLabels": {"team": "a"}}}));
    bench.put_pod("a", "/a");
    let status = bench.status(&identity_path("all"), |status| stats(status)[1] == 1).await;
    assert_eq!(stats(&status), [1, 1, 0, 0]);
    assert_eq!(status["stats"]["namespacesSelected"], 1);
    let ready = condition(&status, "Ready");
    assert_eq!((&ready["status"], &ready["reason"]), (&json!("False"), &json!("RenderFailures")));
    assert!(ready["message"].as_str().unwrap().contains("default/a"), "{ready}");
    in_time(bench.api.objects(|objects| !objects.all_at("/api/v1/events").is_empty())).await;
    assert_eq!((bench.events()[0].0.as_str(), bench.events()[0].1.as_str()), ("a", "IdentityFailed"));
    bench.put_identity("all", json!({"spiffeIDTemplate": by_label("")}));
    let status = bench.status(&identity_path("all"), |status| stats(status)[3] == 1).await;
    assert_eq!(condition(&status, "Ready")["status"], "True");
    bench.put_identity("all", json!({"spiffeIDTemplate": ""}));
    let invalid = |status: &Value| status["conditions"][0]["status"] == "False";
    assert_eq!(
        bench.status(&identity_path("all"), invalid).await["conditions"][0]["message"],
        "empty SPIFFEID template"
    );
    bench.has(&[]).await;
    controller.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn older_object_has_the_entry_and_the_other_says_so() {
    let bench = Bench::new().await;
    let (server, controller) = (bench.server().await, bench.controller());
    let object =
        |created: &str| json!({"metadata": {"creationTimestamp": created}, "spec": {"spiffeIDTemplate": by_label("")}});
    bench.put(&identity_path("younger"), object("2026-02-01T00:00:00Z"));
    bench.put_pod("a", "/a");
    let status = bench.status(&identity_path("younger"), |status| stats(status)[2] == 1).await;
    assert_eq!(condition(&status, "Masked")["status"], "True");
    bench.has(&["/a"]).await;
    let written = bench.counted.writes();
    bench.api.known(|known| known.objects.delete(&identity_path("all")));
    let status = bench.status(&identity_path("younger"), |status| stats(status)[3] == 1).await;
    assert_eq!(condition(&status, "Masked")["status"], "False");
    assert_eq!(bench.counted.writes(), written, "the entry is the same, only whose it is has changed");
    controller.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn fallback_counts_only_where_nothing_else_does() {
    let bench = Bench::new().await;
    let (server, controller) = (bench.server().await, bench.controller());
    let labels = json!({"matchLabels": {"path": "a"}});
    bench.put_identity("all", json!({"spiffeIDTemplate": by_label(""), "podSelector": labels}));
    bench.put_identity("rest", json!({"spiffeIDTemplate": by_label("/fallback"), "fallback": true}));
    bench.put_pod("a", "/a");
    bench.put_pod("b", "/b");
    bench.has(&["/a", "/fallback/b"]).await;
    bench.api.known(|known| known.objects.delete(&identity_path("all")));
    bench.has(&["/fallback/a", "/fallback/b"]).await;
    controller.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn namespaces_are_selected_by_their_labels_as_they_change() {
    let bench = Bench::new().await;
    let (server, controller) = (bench.server().await, bench.controller());
    bench.put_identity(
        "all",
        json!({"spiffeIDTemplate": by_label(""), "namespaceSelector": {"matchLabels": {"team": "b"}}}),
    );
    bench.put_pod("a", "/a");
    bench.put("/api/v1/namespaces/default", json!({"metadata": {"labels": {"team": "b"}}}));
    bench.has(&["/a"]).await;
    bench.put("/api/v1/namespaces/default", json!({"metadata": {"labels": {"team": "c"}}}));
    bench.has(&[]).await;
    controller.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn tenant_gives_identities_in_its_own_namespace_only() {
    let bench = Bench::new().await;
    let (server, controller) = (bench.server().await, bench.controller());
    bench.api.known(|known| known.objects.delete(&identity_path("all")));
    let at = |namespace: &str| format!("/apis/steeple.dev/v1alpha1/namespaces/{namespace}/workloadidentities/own");
    bench.put(&at("default"), json!({"metadata": {}, "spec": {"spiffeIDTemplate": by_label("/ns/default")}}));
    bench.put(&at("thief"), json!({"metadata": {}, "spec": {"spiffeIDTemplate": by_label("/ns/default")}}));
    bench.put_pod("a", "/a");
    bench.has(&["/ns/default/a"]).await;
    let refused = bench.status(&at("thief"), |status| status["conditions"][0]["status"] == "False").await;
    assert_eq!(refused["conditions"][0]["reason"], "InvalidSpec");
    controller.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn names_of_services_follow_their_slices() {
    let bench = Bench::new().await;
    let (server, controller) = (bench.server().await, bench.controller());
    bench.put_identity("all", json!({"spiffeIDTemplate": by_label(""), "autoPopulateDNSNames": true}));
    bench.put_pod("a", "/a");
    bench.has(&["/a"]).await;
    let slice = |uid: &str| {
        json!({
            "addressType": "IPv4",
            "metadata": {"labels": {"kubernetes.io/service-name": "web"}},
            "endpoints": [{"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "name": "a", "uid": uid}}],
        })
    };
    let path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/web-1";
    bench.put(path, slice("uid-of-a"));
    bench.called("BatchUpdateEntry", 1).await;
    assert_eq!(
        bench.entry("/a").await.dns_names,
        ["web", "web.default", "web.default.svc", "web.default.svc.cluster.local"]
    );
    bench.put(path, slice("uid-of-another"));
    bench.called("BatchUpdateEntry", 2).await;
    assert!(bench.entry("/a").await.dns_names.is_empty());
    controller.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn static_entries_are_set_and_say_so() {
    let bench = Bench::new().await;
    let (server, controller) = (bench.server().await, bench.controller());
    let at = |name: &str| format!("/apis/spire.spiffe.io/v1alpha1/clusterstaticentries/{name}");
    let spec = |selector: &str| {
        let (id, parent) = ("spiffe://example.org/db", "spiffe://example.org/node");
        json!({"spiffeID": id, "parentID": parent, "selectors": [selector]})
    };
    bench.put(&at("db"), json!({"metadata": {}, "spec": spec("unix:uid:7")}));
    bench.put(&at("bad"), json!({"metadata": {}, "spec": spec("nonsense")}));
    bench.has(&["/db"]).await;
    bench.status(&at("db"), |status| status["set"] == true && status["rendered"] == true).await;
    let bad = bench.status(&at("bad"), |status| status["conditions"][0]["status"] == "False").await;
    assert_eq!((&bad["rendered"], &bad["set"]), (&json!(false), &json!(false)));
    bench.api.known(|known| known.objects.delete(&at("db")));
    bench.has(&[]).await;
    controller.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn pod_that_mounts_the_workload_api_in_vain_is_told() {
    let bench = Bench::new().await;
    let (server, controller) = (bench.server().await, bench.controller());
    bench.put_identity(
        "all",
        json!({"spiffeIDTemplate": by_label(""), "podSelector": {"matchLabels": {"path": "other"}}}),
    );
    let volume = json!({"name": "spiffe", "csi": {"driver": "csi.spiffe.io", "readOnly": true}});
    let spec = json!({"nodeName": "node-1", "volumes": [volume]});
    bench.put("/api/v1/namespaces/default/pods/third", json!({"metadata": {"uid": "uid-of-third"}, "spec": spec}));
    bench.put_pod("without", "/none");
    in_time(bench.api.objects(|objects| !objects.all_at("/api/v1/events").is_empty())).await;
    let events = bench.events();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].0.as_str(), events[0].1.as_str()), ("third", "NoIdentity"));
    controller.stop().await;
    server.stop().await;
}
