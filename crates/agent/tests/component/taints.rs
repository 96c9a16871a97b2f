//! What an agent does when an authority of its server is tainted.

use futures::FutureExt;
use steeple_crypto::jws::Token;
use steeple_crypto::x509::Certificate;
use steeple_proto::spire::api::server::localauthority::v1 as pb;
use steeple_proto::workload::X509svidResponse;

use crate::bench::{Bench, entry, next};

/// An old and an active authority.
struct Rotated {
    old: String,
    active: String,
}

/// Rotates the X.509 authority by request, once the agent knows the new one.
async fn rotate_x509(bench: &mut Bench) -> Rotated {
    let prepared = bench.operator().prepare_x509(pb::PrepareX509AuthorityRequest {}).await.unwrap();
    let active = prepared.prepared_authority.unwrap().authority_id;
    bench.settle().await;
    let request = pb::ActivateX509AuthorityRequest { authority_id: active.clone() };
    bench.operator().activate_x509(request).await.unwrap();
    let states = bench.operator().show_x509(pb::GetX509AuthorityStateRequest {}).await.unwrap();
    Rotated { old: states.old.unwrap().authority_id, active }
}

async fn taint_x509(bench: &Bench, old: &str) {
    bench.operator().taint_x509(pb::TaintX509AuthorityRequest { authority_id: old.to_owned() }).await.unwrap();
}

/// The authority that signed an SVID.
fn signer(svid: &[u8]) -> String {
    hex::encode(Certificate::from_der(svid).unwrap().authority_key_id())
}

/// How many roots an answer has for its first SVID.
fn roots(answer: &X509svidResponse) -> usize {
    Certificate::many_from_der(&answer.svids.first().unwrap().bundle).unwrap().len()
}

#[tokio::test]
async fn svids_of_a_tainted_authority_are_replaced_and_the_stream_tells() {
    let mut bench = Bench::new().await;
    bench.entry("a", &["w"]).await;
    let mut stream = bench.workload().x509_stream().await.unwrap();
    let first = next(&mut stream).await.unwrap();
    let Rotated { old, active } = rotate_x509(&mut bench).await;
    let both = next(&mut stream).await.unwrap();
    assert_eq!((roots(&both), &both.svids[0].x509_svid), (2, &first.svids[0].x509_svid));
    bench.settle().await;
    assert_eq!(bench.server.counted.of("BatchNewX509SVID"), 1, "nothing is due");
    taint_x509(&bench, &old).await;
    bench.settle().await;
    let replaced = next(&mut stream).await.unwrap();
    assert_eq!(signer(&replaced.svids[0].x509_svid), active);
    assert_ne!(replaced.svids[0].x509_svid_key, first.svids[0].x509_svid_key);
    bench.settle().await;
    assert_eq!(bench.server.counted.of("BatchNewX509SVID"), 2, "once is enough");
    assert!(stream.message().now_or_never().is_none());
    bench.operator().revoke_x509(pb::RevokeX509AuthorityRequest { authority_id: old.clone() }).await.unwrap();
    bench.settle().await;
    assert_eq!(roots(&next(&mut stream).await.unwrap()), 1);
    let log = bench.log();
    for line in [
        &format!("msg=\"New tainted X.509 authorities found\" subject_key_ids={old} subsystem_name=manager"),
        "msg=\"Scheduled rotation for SVID entries due to tainted X.509 authorities\" count=1 subsystem_name=cache_manager",
        "msg=\"Tainted X.509 SVIDs\" subsystem_name=cache_manager tainted_x509_svids=1",
        "msg=\"Finished processing all tainted entries\" subsystem_name=cache_manager",
    ] {
        assert!(log.contains(line), "{line} in\n{log}");
    }
    let text = bench.metrics.render();
    assert!(text.contains("spire_agent_cache_manager_workload_process_tainted_x509_svids{status=\"OK\"} 1"), "{text}");
    assert!(text.contains("spire_agent_cache_manager_tainted_x509_svids_workload_sum 1"), "{text}");
}

#[tokio::test]
async fn agent_whose_own_svid_is_tainted_renews_it() {
    let mut bench = Bench::without_agent().await;
    bench.by_token().await;
    bench.start().await;
    let Rotated { old, active } = rotate_x509(&mut bench).await;
    bench.settle().await;
    assert_eq!(bench.server.counted.of("RenewAgent"), 0);
    taint_x509(&bench, &old).await;
    bench.settle().await;
    bench.settle().await;
    assert_eq!((bench.server.counted.of("RenewAgent"), bench.server.counted.of("AttestAgent")), (1, 1));
    assert_eq!(signer(&bench.remembered().svid[0]), active);
    assert!(bench.log().contains("Agent SVID is tainted by a root authority, forcing rotation"));
    // With the old authority gone the new SVID is all that there is.
    bench.operator().revoke_x509(pb::RevokeX509AuthorityRequest { authority_id: old }).await.unwrap();
    bench.stop().await;
    bench.start().await;
    assert_eq!(bench.server.counted.of("AttestAgent"), 1);
}

#[tokio::test]
async fn agent_that_can_attests_again_when_its_own_svid_is_tainted() {
    let mut bench = Bench::new().await;
    let Rotated { old, active } = rotate_x509(&mut bench).await;
    taint_x509(&bench, &old).await;
    bench.settle().await;
    bench.settle().await;
    assert_eq!((bench.server.counted.of("AttestAgent"), bench.server.counted.of("RenewAgent")), (2, 0));
    assert_eq!(signer(&bench.remembered().svid[0]), active);
}

#[tokio::test]
async fn many_tainted_svids_are_replaced_a_hundred_at_a_time() {
    let mut bench = Bench::without_agent().await;
    for number in 0..150 {
        bench.operator().create(entry(&format!("e{number}"), &["x"])).await;
    }
    bench.start().await;
    bench.settle().await;
    let Rotated { old, .. } = rotate_x509(&mut bench).await;
    taint_x509(&bench, &old).await;
    bench.settle().await;
    bench.settle().await;
    let log = bench.log();
    assert!(log.contains("msg=\"There are tainted X.509 SVIDs left to be processed\" count=50"), "{log}");
    assert!(log.contains("tainted_x509_svids=100") && log.contains("tainted_x509_svids=50"), "{log}");
    assert_eq!(bench.server.counted.of("BatchNewX509SVID"), 3, "all, then a hundred, then the rest");
}

#[tokio::test]
async fn tokens_of_a_tainted_authority_are_replaced() {
    let mut bench = Bench::new().await;
    bench.entry("a", &["w"]).await;
    let token = async |bench: &Bench| bench.workload().jwt(&["x"], "").await.unwrap().remove(0).svid;
    let signer = |token: &str| Token::parse(token).unwrap().key_id().to_owned();
    let first = token(&bench).await;
    let prepared = bench.operator().prepare_jwt(pb::PrepareJwtAuthorityRequest {}).await.unwrap();
    let active = prepared.prepared_authority.unwrap().authority_id;
    let request = pb::ActivateJwtAuthorityRequest { authority_id: active.clone() };
    bench.operator().activate_jwt(request).await.unwrap();
    bench.settle().await;
    assert_eq!(token(&bench).await, first, "it is kept as long as nothing is wrong with it");
    let old = bench.operator().show_jwt(pb::GetJwtAuthorityStateRequest {}).await.unwrap().old.unwrap().authority_id;
    assert_eq!(signer(&first), old);
    bench.operator().taint_jwt(pb::TaintJwtAuthorityRequest { authority_id: old.clone() }).await.unwrap();
    bench.settle().await;
    assert_eq!(signer(&token(&bench).await), active);
    let log = bench.log();
    for line in [
        format!("msg=\"New tainted JWT authorities found\" jwt_authority_key_ids={old} subsystem_name=manager"),
        format!(
            "msg=\"JWT-SVIDs were removed from the JWT cache because they were issued by a tainted authority\" \
             jwt_authority_key_ids={old} subsystem_name=cache_manager tainted_jwt_svids=1"
        ),
    ] {
        assert!(log.contains(&line), "{line} in\n{log}");
    }
}
