//! What the agent counts.

use crate::bench::Bench;

#[tokio::test]
async fn calls_are_counted_under_the_names_of_spire() {
    let mut bench = Bench::new().await;
    bench.workload().x509().await.unwrap_err();
    bench.entry("a", &["w"]).await;
    bench.workload().x509().await.unwrap();
    bench.workload().jwt(&["x"], "").await.unwrap();
    // Streams end when their caller's end has reached the agent.
    while !bench.metrics.render().contains("fetch_x509svid{status=\"Canceled\"}") {
        tokio::task::yield_now().await;
    }
    let text = bench.metrics.render();
    for line in [
        "spire_agent_rpc_workload_api_fetch_x509svid{status=\"PermissionDenied\"} 1",
        "spire_agent_rpc_workload_api_fetch_jwtsvid{status=\"OK\"} 1",
        "spire_agent_workload_api_connection 3",
        "spire_agent_workload_api_connections 0",
        "spire_agent_workload_api_workload_attestation{status=\"OK\"} 3",
        "spire_agent_workload_api_workload_attestor{attestor=\"labels\",status=\"OK\"} 3",
        "spire_agent_started{version=\"1_16_0\",trust_domain_id=\"example_org\"} 1",
        "spire_agent_sync_entries_total 1",
        "spire_agent_lru_cache_svid_map_size 1",
        "spire_agent_node_attestor_new_svid{attestor=\"believing\",status=\"OK\"} 1",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    assert!(text.contains("spire_agent_manager_sync_fetch_entries_updates{status=\"OK\"}"), "{text}");
    assert!(text.contains("spire_agent_manager_sync_fetch_svids_updates{status=\"OK\"}"), "{text}");
}
