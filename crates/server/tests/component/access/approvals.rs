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
    let (_, rest) = status.message().split_once("this needs a second person: approval ").expect("a call that waits");
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
    let recorded = std::sync::Arc::clone(&bench.recorded);
    serve(bench.server, async {
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
    let id = waits(&taint(&ann, "a").await);
    bench.hand.advance(Duration::from_mins(10));
    assert_eq!(approve(&bob, &id).await.unwrap_err().code(), Code::NotFound);
    let id = waits(&taint(&ann, "a").await);
    approve(&bob, &id).await.unwrap();
    bench.hand.advance(Duration::from_mins(10));
    assert_ne!(waits(&taint(&ann, "a").await), id);
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
