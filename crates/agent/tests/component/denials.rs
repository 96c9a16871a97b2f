//! What an agent does that the server refuses.

use std::sync::Arc;
use std::time::Duration;

use crate::bench::Bench;
use crate::nodes::Believing;

const NODE: &str = "/spire/agent/believing/node";

#[tokio::test]
async fn banned_agent_forgets_its_svid_and_ends() {
    let mut bench = Bench::new().await;
    bench.operator().ban(NODE).await;
    bench.pass(Duration::from_secs(5)).await;
    let refusal = "failed to fetch authorized entries: rpc error: code = PermissionDenied desc = ";
    let ended = bench.ended().await;
    assert!(ended.starts_with(refusal), "{ended}");
    assert!(bench.log().contains("Agent is banned: removing SVID and shutting down"));
    let remembered = bench.remembered();
    assert!(remembered.svid.is_empty() && !remembered.bundle.is_empty());
    assert!(!bench.settings.socket_path.exists());
}

#[tokio::test]
async fn evicted_agent_attests_again_if_it_can() {
    let mut bench = Bench::new().await;
    bench.operator().forget(NODE).await;
    bench.settle().await;
    assert_eq!(bench.server.counted.of("AttestAgent"), 2);
    assert!(bench.log().contains("Agent needs to re-attest; will attempt to re-attest"));
    bench.entry("w", &["w"]).await;
    assert_eq!(bench.workload().ids().await, ["spiffe://example.org/w"]);
}

#[tokio::test]
async fn evicted_agent_that_cannot_attest_again_ends() {
    let mut bench = Bench::without_agent().await;
    bench.by_token().await;
    bench.start().await;
    let id = bench.operator().agents().await[0].id.clone().unwrap();
    bench.operator().forget(&id.path).await;
    bench.pass(Duration::from_secs(5)).await;
    assert_eq!(bench.ended().await, "agent must attest again, which its node attestor can't: AGENT_NOT_ATTESTED");
    assert!(bench.log().contains("Agent failed re-attestation; removing SVID and shutting down"));
    assert!(bench.remembered().svid.is_empty());
}

#[tokio::test]
async fn agent_whose_svid_is_no_longer_active_attests_again() {
    let mut bench = Bench::new().await;
    // Another agent of the same name attests: the first one's SVID is not active any more.
    let settings = bench.settings.clone();
    bench.stop().await;
    let first = bench.remembered();
    std::fs::create_dir(bench.folder().join("other")).unwrap();
    bench.settings.data_dir = bench.folder().join("other");
    bench.start().await;
    bench.stop().await;
    bench.settings = settings;
    assert_eq!(bench.remembered(), first);
    bench.spawn();
    bench.served().await;
    assert_eq!(bench.server.counted.of("AttestAgent"), 3);
    assert_ne!(bench.remembered().svid, first.svid);
}

#[tokio::test]
async fn agent_whose_svid_ran_out_while_the_server_was_away_comes_back() {
    let mut bench = Bench::new().await;
    bench.wire.cut();
    for _ in 0..4 {
        bench.pass(Duration::from_mins(20)).await;
    }
    assert!(!bench.is_over());
    bench.wire.lay(bench.server.address);
    for _ in 0..6 {
        bench.pass(Duration::from_mins(1)).await;
    }
    assert!(bench.server.counted.of("AttestAgent") >= 2);
    bench.entry("w", &["w"]).await;
    bench.pass(Duration::from_mins(4)).await;
    assert_eq!(bench.workload().ids().await, ["spiffe://example.org/w"]);
}

#[tokio::test]
async fn agent_that_joined_by_token_ends_when_its_svid_ran_out() {
    let mut bench = Bench::without_agent().await;
    bench.by_token().await;
    bench.start().await;
    bench.wire.cut();
    for _ in 0..4 {
        bench.pass(Duration::from_mins(20)).await;
    }
    assert_eq!(bench.ended().await, "agent must attest again, which its node attestor can't: AGENT_EXPIRED");
    assert!(bench.remembered().svid.is_empty());
}

#[tokio::test]
async fn evicted_agent_goes_on_trying_while_the_server_is_away() {
    let mut bench = Bench::new().await;
    bench.operator().forget(NODE).await;
    bench.attestor = Arc::new(Believing);
    // The refusal arrives, the answer to the attestation does not.
    bench.settle().await;
    bench.operator().forget(NODE).await;
    bench.wire.cut();
    bench.pass(Duration::from_mins(33)).await;
    bench.settle().await;
    assert!(!bench.is_over());
    bench.wire.lay(bench.server.address);
    for _ in 0..4 {
        bench.pass(Duration::from_mins(1)).await;
    }
    assert_eq!(bench.operator().agents().await.len(), 1);
}
