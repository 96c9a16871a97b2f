//! What needs a second person.

use std::time::Duration;

use steeple_audit::EventKind;
use steeple_proto::spire::api::server::localauthority::v1 as authority;
use steeple_proto::steeple::server::access::v1 as pb;
use tonic::{Code, Status};

use super::{chain, person, scoped};
use crate::bench::{Calls, serve};

async fn taint<A: steeple_net::Answers>(calls: &Calls<A>, id: &str) -> Status {
    let request = authority::TaintX509AuthorityRequest { authority_id: id.to_owned() };
    calls.local_authority().taint_x509_authority(request).await.unwrap_err()
}

async fn approve<A: steeple_net::Answers>(calls: &Calls<A>, id: &str) -> Result<pb::Approval, Status> {
    let request = pb::ApproveRequest { id: id.to_owned() };
    calls.access().approve(request).await.map(tonic::Response::into_inner)
}

/// The ID of the approval for which a refused call waits.
fn waits(status: &Status) -> String {
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    let (_, rest) = status.message().split_once("this needs a second person: approval ").unwrap();
    rest.split(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn taint_waits_for_a_second_person_and_happens_once() {
    let bindings =
        [person("ann", "authority-admin", ""), person("bob", "authority-admin", ""), person("ed", "entry-editor", "")];
    let bench = scoped(&bindings.concat()).await;
    let ann = bench.remote(&chain(&bench, "/people/ann").await);
    let bob = bench.remote(&chain(&bench, "/people/bob").await);
    let ed = bench.remote(&chain(&bench, "/people/ed").await);
    let recorded = std::sync::Arc::clone(&bench.recorded);
    serve(bench.server, async {
        let id = waits(&taint(&ann, "a").await);
        assert_eq!(waits(&taint(&ann, "a").await), id, "the same request waits for the same approval");
        let own = approve(&ann, &id).await.unwrap_err();
        assert!(own.message().contains("nobody approves what he asked for himself"), "{own:?}");
        assert_eq!(approve(&ed, &id).await.unwrap_err().code(), Code::PermissionDenied);
        let given = approve(&bob, &id).await.unwrap();
        assert_eq!(
            (given.requested_by.as_str(), given.approved_by.as_str()),
            ("spiffe://example.org/people/ann", "spiffe://example.org/people/bob")
        );
        // The approval is of this request of this caller.
        assert_ne!(waits(&taint(&ann, "b").await), id);
        assert_ne!(waits(&taint(&bob, "a").await), id);
        let done = taint(&ann, "a").await;
        assert!(!done.message().contains("second person"), "it went on to the authorities: {done:?}");
        assert_ne!(waits(&taint(&ann, "a").await), id, "it is good for one call");
    })
    .await;
    let kinds = recorded.kinds();
    assert!(kinds.iter().any(|kind| matches!(kind, EventKind::ApprovalRequested { .. })));
    assert!(kinds.iter().any(|kind| matches!(kind, EventKind::ApprovalGiven { .. })));
}

#[tokio::test]
async fn approval_expires() {
    let bindings = [person("ann", "authority-admin", ""), person("bob", "authority-admin", "")];
    let bench = scoped(&format!("approval_ttl = \"10m\"\n{}", bindings.concat())).await;
    let ann = bench.remote(&chain(&bench, "/people/ann").await);
    let bob = bench.remote(&chain(&bench, "/people/bob").await);
    let hand = bench.hand.clone();
    serve(bench.server, async {
        let id = waits(&taint(&ann, "a").await);
        hand.advance(Duration::from_mins(10));
        assert_eq!(approve(&bob, &id).await.unwrap_err().code(), Code::NotFound);
        let id = waits(&taint(&ann, "a").await);
        approve(&bob, &id).await.unwrap();
        hand.advance(Duration::from_mins(10));
        assert_ne!(waits(&taint(&ann, "a").await), id);
    })
    .await;
}

#[tokio::test]
async fn break_glass_needs_nobody_else_and_leaves_a_record_of_each_use() {
    let bench = scoped("").await;
    let (calls, recorded) = (bench.local(), std::sync::Arc::clone(&bench.recorded));
    let status = serve(bench.server, async { taint(&calls, "a").await }).await;
    assert!(!status.message().contains("second person"), "{status:?}");
    let used = |kind: &EventKind| matches!(kind, EventKind::BreakGlassUsed { name, .. } if name == "setup");
    assert!(recorded.kinds().iter().any(used));
}

#[tokio::test]
async fn second_person_sees_the_binding_and_could_grant_it_himself() {
    let root = |name: &str, path: &str| {
        format!(
            "binding \"{name}\" {{\n role = \"policy-admin\"\n subject {{ spiffe_id = \"spiffe://example.org/people/{name}\" }}\n \
             grants {{ roles = [\"entry-editor\"] scope {{ path = [\"{path}\"] }} }}\n}}\n"
        )
    };
    let bindings = [root("ann", "/ns"), root("bob", "/ns/b"), root("cleo", "/ns/a"), root("eve", "/ns")];
    let bench = scoped(&bindings.concat()).await;
    let calls = async |name: &str| bench.remote(&chain(&bench, &format!("/people/{name}")).await);
    let (ann, bob, cleo, eve) = (calls("ann").await, calls("bob").await, calls("cleo").await, calls("eve").await);
    let scope = pb::Scope { path: Some(pb::Texts { values: vec!["/ns/a".to_owned()] }), ..pb::Scope::default() };
    let spiffe_id = "spiffe://example.org/people/eve".to_owned();
    let binding = pb::Binding {
        name: "eve-a".to_owned(),
        role: "entry-editor".to_owned(),
        subjects: vec![pb::Subject { spiffe_id, ..pb::Subject::default() }],
        scope: Some(scope.clone()),
        ..pb::Binding::default()
    };
    let request = || pb::CreateBindingRequest { binding: Some(binding.clone()) };
    let id = waits(&ann.access().create_binding(request()).await.unwrap_err());
    let narrow = approve(&bob, &id).await.unwrap_err();
    assert!(narrow.message().contains("path: the scope is wider than what binding \"bob\" may grant"), "{narrow:?}");
    let herself = approve(&eve, &id).await.unwrap_err();
    assert!(herself.message().contains("nobody grants himself a role"), "{herself:?}");
    let shown = approve(&cleo, &id).await.unwrap().binding.unwrap();
    assert_eq!((shown.name.as_str(), shown.scope), ("eve-a", Some(scope)));
    ann.access().create_binding(request()).await.unwrap();
    let request = || pb::DeleteBindingRequest { name: "eve-a".to_owned() };
    let id = waits(&ann.access().delete_binding(request()).await.unwrap_err());
    approve(&cleo, &id).await.unwrap();
    ann.access().delete_binding(request()).await.unwrap();
}

#[tokio::test]
async fn root_import_and_revocation_wait_too() {
    let bench = scoped(&person("ann", "authority-admin", "")).await;
    let ann = bench.remote(&chain(&bench, "/people/ann").await);
    let root = steeple_proto::spire::api::types::X509Certificate {
        asn1: chain(&bench, "/root").await.remove(0),
        tainted: false,
    };
    let import = steeple_proto::spire::api::server::bundle::v1::AppendBundleRequest {
        x509_authorities: vec![root],
        ..Default::default()
    };
    serve(bench.server, async {
        waits(&ann.bundle().append_bundle(import).await.unwrap_err());
        let waiting = ann.access().list_approvals(pb::ListApprovalsRequest {}).await.unwrap_err();
        assert_eq!(waiting.code(), Code::PermissionDenied, "who approves does not read: {waiting:?}");
        let request = authority::RevokeX509AuthorityRequest { authority_id: "a".to_owned() };
        waits(&ann.local_authority().revoke_x509_authority(request).await.unwrap_err());
    })
    .await;
}
