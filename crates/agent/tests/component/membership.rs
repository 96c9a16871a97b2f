//! How an agent joins, remembers that it has, and stays.

use std::time::Duration;

use crate::bench::Bench;

#[tokio::test]
async fn agent_attests_once_and_remembers_it_over_a_restart() {
    let mut bench = Bench::new().await;
    assert!(bench.log().contains("SVID is not found. Starting node attestation"));
    assert!(bench.log().contains("Node attestation was successful"));
    assert!(bench.log().contains("Starting agent APIs"));
    let remembered = bench.remembered();
    assert!(!remembered.svid.is_empty() && !remembered.bundle.is_empty() && remembered.reattestable);
    bench.stop().await;
    bench.start().await;
    assert_eq!(bench.server.counted.of("AttestAgent"), 1);
    assert!(bench.log().contains("SVID loaded"));
    assert_eq!(bench.remembered(), remembered);
}

#[tokio::test]
async fn token_is_needed_for_the_first_start_only() {
    let mut bench = Bench::without_agent().await;
    bench.by_token().await;
    bench.start().await;
    assert!(!bench.remembered().reattestable);
    bench.kill().await;
    bench.start().await;
    assert_eq!(bench.server.counted.of("AttestAgent"), 1);
}

#[tokio::test]
async fn renewal_comes_at_half_life_and_not_before() {
    let mut bench = Bench::without_agent().await;
    bench.by_token().await;
    bench.start().await;
    // An hour's life: the earliest moment is after 27 minutes, the latest after 33.
    bench.pass(Duration::from_mins(26)).await;
    bench.settle().await;
    assert_eq!(bench.server.counted.of("RenewAgent"), 0);
    let before = bench.remembered();
    bench.pass(Duration::from_mins(7)).await;
    bench.settle().await;
    assert_eq!(bench.server.counted.of("RenewAgent"), 1);
    assert_eq!(bench.server.counted.of("AttestAgent"), 1);
    assert_ne!(bench.remembered().svid, before.svid);
    bench.settle().await;
    assert_eq!(bench.server.counted.of("RenewAgent"), 1, "the renewed SVID is used, not renewed again");
    bench.stop().await;
    bench.start().await;
    assert_eq!(bench.server.counted.of("AttestAgent"), 1, "the renewed SVID is good after a restart");
}

#[tokio::test]
async fn agent_that_can_attests_again_instead_of_renewing() {
    let mut bench = Bench::new().await;
    bench.pass(Duration::from_mins(33)).await;
    bench.settle().await;
    assert_eq!(bench.server.counted.of("AttestAgent"), 2);
    assert_eq!(bench.server.counted.all("RenewAgent"), []);
    assert!(bench.log().contains("Successfully reattested node"));
    let text = bench.metrics.render();
    assert!(text.contains("spire_agent_node_attest{status=\"OK\"} 1"), "{text}");
    assert!(text.contains("spire_agent_node_attest_elapsed_time_count{status=\"OK\"} 1"), "{text}");
}

#[tokio::test]
async fn failed_renewal_keeps_the_svid_and_is_tried_again() {
    let mut bench = Bench::without_agent().await;
    bench.by_token().await;
    bench.start().await;
    let before = bench.remembered();
    bench.wire.cut();
    bench.pass(Duration::from_mins(33)).await;
    bench.settle().await;
    assert!(bench.log().contains("Could not rotate agent SVID"));
    assert_eq!(bench.remembered(), before);
    bench.stop().await;
    // The key that the failed renewal has made did not take the place of the one in use.
    bench.wire.lay(bench.server.address);
    bench.start().await;
    bench.settle().await;
    assert_eq!((bench.server.counted.of("AttestAgent"), bench.server.counted.of("RenewAgent")), (1, 1));
}

#[tokio::test]
async fn first_attestation_waits_for_a_server_that_comes_up_later() {
    let mut bench = Bench::without_agent().await;
    bench.wire.cut();
    bench.spawn();
    let wire_back = async {
        bench.hand.wait_for_sleepers(1).await;
    };
    wire_back.await;
    while !bench.log().contains("Failed to retrieve attestation result") {
        tokio::task::yield_now().await;
    }
    bench.wire.lay(bench.server.address);
    bench.hand.advance(Duration::from_secs(6));
    bench.served().await;
}

#[tokio::test]
async fn attestation_gives_up_after_a_minute() {
    let mut bench = Bench::without_agent().await;
    bench.wire.cut();
    bench.spawn();
    for attempt in 1.. {
        while bench.log().matches("Failed to retrieve attestation result").count() < attempt && !bench.is_over() {
            tokio::task::yield_now().await;
        }
        if bench.is_over() {
            break;
        }
        bench.hand.advance(Duration::from_secs(30));
    }
    let reason = bench.ended().await;
    let handshake = "failed to receive attestation response: rpc error: code = Unavailable desc = connection error: \
                     desc = \"transport: authentication handshake failed: ";
    assert!(reason.starts_with(handshake) && reason.ends_with('"'), "{reason}");
}

#[tokio::test]
async fn power_failure_between_the_key_and_the_svid_strands_nobody() {
    let mut bench = Bench::new().await;
    bench.kill().await;
    let keys = bench.settings.data_dir.join("keys.json");
    let joined = std::fs::read(&keys).unwrap();
    // A new key is on disk, its SVID is not: the old pair goes on.
    bench.pass(Duration::from_mins(33)).await;
    bench.wire.cut();
    bench.spawn();
    while std::fs::read(&keys).unwrap() == joined {
        tokio::task::yield_now().await;
    }
    bench.kill().await;
    bench.wire.lay(bench.server.address);
    bench.start().await;
    bench.settle().await;
    assert!(bench.server.counted.of("AttestAgent") >= 2);
    // The keys are gone altogether: the agent attests by itself.
    bench.stop().await;
    std::fs::remove_file(&keys).unwrap();
    let attested = bench.server.counted.of("AttestAgent");
    bench.start().await;
    assert_eq!(bench.server.counted.of("AttestAgent"), attested + 1);
}

#[tokio::test]
async fn stored_svid_that_has_expired_is_replaced() {
    let mut bench = Bench::new().await;
    bench.stop().await;
    for _ in 0..5 {
        bench.pass(Duration::from_mins(20)).await;
        tokio::task::yield_now().await;
    }
    bench.start().await;
    assert_eq!(bench.server.counted.of("AttestAgent"), 2);
}
