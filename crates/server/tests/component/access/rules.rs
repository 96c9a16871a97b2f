//! What scoped rights let through, and what of SPIRE's rules stays.

use steeple_proto::spire::api::server as pb;
use steeple_proto::spire::api::types;
use steeple_server::TABLE;
use tonic::Code;

use super::{access, chain, item, person, pod, scoped, stored};
use crate::bench::{csr, entry};

#[tokio::test]
async fn agents_and_downstream_servers_go_on_as_they_do() {
    let bench = scoped("").await;
    let agent = bench.agent().await;
    let entry = stored(&bench, entry(&agent.id, "/w")).await;
    let params = pb::svid::v1::NewX509svidParams { entry_id: entry.id, csr: csr(&[]) };
    let request = pb::svid::v1::BatchNewX509svidRequest { params: vec![params] };
    let calls = bench.remote(&agent.chain);
    let results = calls.svid().batch_new_x509svid(request).await.unwrap().into_inner().results;
    item(results[0].status.clone()).unwrap();
    for row in TABLE {
        let status = calls.status_of(row.method).await;
        let open = row.callers.any || row.callers.agent;
        let private = ["Logger", "Health", "debug.v1.Debug"].contains(&row.service());
        assert_eq!(status.code() == Code::PermissionDenied, !open && !private, "{}: {status:?}", row.method);
    }
}

#[tokio::test]
async fn private_socket_is_not_admin_by_itself_but_tells_its_health() {
    let bench = scoped("").await;
    for row in TABLE {
        let status = bench.unix(2000, 2000).status_of(row.method).await;
        let denied = status.code() == Code::PermissionDenied;
        let open = row.callers.any || row.service() == "Health";
        assert_eq!(denied, !open, "{}: {status:?}", row.method);
        if denied && row.callers.local {
            let text = format!("authorization denied for method {}: no binding is for uid 2000 gid 2000", row.method);
            assert_eq!(status.message(), text);
        }
    }
}

#[tokio::test]
async fn editor_writes_what_lies_in_the_scope_and_the_record_names_the_binding() {
    let scope = r#"path = ["/ns/a"] namespaces = ["a"]"#;
    let bench = scoped(&person("ed", "namespace-editor", scope)).await;
    let calls = bench.remote(&chain(&bench, "/people/ed").await);
    let request = pb::entry::v1::BatchCreateEntryRequest { entries: vec![pod("/ns/a/x", "a")], output_mask: None };
    let results = calls.entry().batch_create_entry(request).await.unwrap().into_inner().results;
    item(results[0].status.clone()).unwrap();
    let mut entry = results[0].entry.clone().unwrap();
    entry.hint = "changed".to_owned();
    let request = pb::entry::v1::BatchUpdateEntryRequest { entries: vec![entry.clone()], ..Default::default() };
    let results = calls.entry().batch_update_entry(request).await.unwrap().into_inner().results;
    item(results[0].status.clone()).unwrap();
    let request = pb::entry::v1::BatchDeleteEntryRequest { ids: vec![entry.id] };
    let results = calls.entry().batch_delete_entry(request).await.unwrap().into_inner().results;
    item(results[0].status.clone()).unwrap();
    let by: Vec<String> = bench.recorded.actors().iter().filter_map(authorized_by).collect();
    assert_eq!(by[by.len() - 3..], ["ed", "ed", "ed"]);
}

fn authorized_by(actor: &steeple_audit::Actor) -> Option<String> {
    if let steeple_audit::Actor::Bound { by, .. } = actor { Some(by.to_string()) } else { None }
}

#[tokio::test]
async fn admin_entries_are_subjects_like_others() {
    let binding = r#"binding "admins" { role = "viewer" subject { entry_flag = "admin" } }"#;
    for (bindings, code) in [(binding, Code::Ok), ("", Code::PermissionDenied)] {
        let bench = scoped(bindings).await;
        let mut admin = pod("/admin", "a");
        admin.admin = true;
        stored(&bench, admin).await;
        let calls = bench.remote(&chain(&bench, "/admin").await);
        let counted = calls.entry().count_entries(pb::entry::v1::CountEntriesRequest::default()).await;
        assert_eq!(counted.map_or_else(|status| status.code(), |_| Code::Ok), code);
    }
}

#[tokio::test]
async fn similar_entry_is_shown_only_to_who_may_see_it() {
    let scope = r#"path = ["/ns/a"] namespaces = ["a"]"#;
    let bench = scoped(&person("ed", "namespace-editor", scope)).await;
    let mut flagged = pod("/ns/a/x", "a");
    flagged.downstream = true;
    stored(&bench, flagged).await;
    let calls = bench.remote(&chain(&bench, "/people/ed").await);
    let request = pb::entry::v1::BatchCreateEntryRequest { entries: vec![pod("/ns/a/x", "a")], output_mask: None };
    let result = calls.entry().batch_create_entry(request).await.unwrap().into_inner().results.remove(0);
    assert_eq!((result.status.unwrap().code, result.entry), (Code::AlreadyExists.into(), None));
}

#[test]
fn configuration_that_nobody_could_begin_with_is_refused() {
    for (bindings, reason) in [
        ("", "nobody could administer the server before there are SVIDs"),
        (r#"binding "a" { role = "viewer" subject { uid = 1 } scope { paths = ["/a"] } }"#, "unknown key \"paths\""),
        (r#"binding "a" { role = "root" subject { uid = 1 } }"#, "role \"root\" is unknown"),
        (r#"binding "a" { role = "agent" subject { uid = 1 } }"#, "role \"agent\" is unknown"),
        (r#"binding "a" { role = "viewer" }"#, "it has no subject"),
        (r#"binding "a" { role = "viewer" subject { executable = "/bin/a" } }"#, "needs uid or gid beside it"),
        (r#"binding "a" { role = "break-glass" subject { uid = 1 } }"#, "needs a reason and not_after"),
        (r#"binding "a" { role = "namespace-editor" subject { uid = 1 } }"#, "needs scope.path and scope.namespaces"),
        (r#"binding "a" { role = "viewer" subject { uid = 1 } scope { path = ["/a/"] } }"#, "it has an empty segment"),
        (r#"binding "a" { role = "viewer" subject { uid = 1 } scope { trust_domain = "b" } }"#, "is not the server's"),
        (
            r#"binding "a" { role = "policy-admin" subject { uid = 1 } } binding "b" { role = "auditor" subject { uid = 1 } }"#,
            "give one subject the roles policy-admin and auditor",
        ),
    ] {
        let error = access(bindings).unwrap_err();
        assert!(error.contains(reason), "{bindings}: {error}");
    }
}

#[tokio::test]
async fn window_of_a_binding_opens_and_closes() {
    let binding = r#"binding "w" {
        role = "viewer" not_before = "2026-01-01T01:00:00Z" not_after = "2026-01-01T02:00:00Z" subject { uid = 7 } }"#;
    let bench = scoped(binding).await;
    let calls = bench.unix(7, 7);
    let count = async || calls.entry().count_entries(pb::entry::v1::CountEntriesRequest::default()).await;
    let hour = std::time::Duration::from_hours(1);
    assert!(
        count().await.unwrap_err().message().ends_with(r#"binding "w": it does not count before 2026-01-01T01:00:00Z"#)
    );
    bench.hand.advance(hour);
    count().await.unwrap();
    bench.hand.advance(hour);
    assert!(count().await.unwrap_err().message().ends_with(r#"binding "w": it expired at 2026-01-01T02:00:00Z"#));
}

#[tokio::test]
async fn template_ties_the_id_to_the_namespace_of_the_own_selector() {
    let scope = r#"path = ["/ns/{k8s:ns}"] selector_types = ["k8s"]"#;
    let bench = scoped(&person("controller", "controller", scope)).await;
    let calls = bench.remote(&chain(&bench, "/people/controller").await);
    let create = async |entry: types::Entry| {
        let request = pb::entry::v1::BatchCreateEntryRequest { entries: vec![entry], output_mask: None };
        item(calls.entry().batch_create_entry(request).await.unwrap().into_inner().results[0].status.clone())
    };
    create(pod("/ns/a/x", "a")).await.unwrap();
    create(pod("/ns/b/x", "b")).await.unwrap();
    let refused = create(pod("/ns/a/y", "b")).await.unwrap_err();
    assert!(
        refused.message().ends_with(r#"binding "controller": path: /ns/a/y lies not under /ns/{k8s:ns}"#),
        "{refused:?}"
    );
}
