//! What the agent counts.

use std::time::Duration;

use crate::bench::{Bench, entry};

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

/// What is counted of entries: those added, updated and removed ever, and those that were missing, stale and dropped just now.
fn counted(bench: &Bench) -> ([u32; 3], [u32; 3]) {
    let text = bench.metrics.render();
    let figure = |key: String| {
        let line = text.lines().find_map(|line| line.strip_prefix(key.as_str()));
        line.unwrap_or_else(|| panic!("no {key}in\n{text}")).parse().unwrap()
    };
    let ever = ["add", "update", "remove"].map(|key| figure(format!("spire_agent_lru_cache_entry_{key} ")));
    (ever, ["missing", "stale", "dropped"].map(|key| figure(format!("spire_agent_sync_entries_{key} "))))
}

#[tokio::test]
async fn changes_of_entries_are_counted_under_the_names_of_spire() {
    let mut bench = Bench::new().await;
    assert_eq!(counted(&bench), ([0; 3], [0; 3]));
    // What has changed is seen by the round in which it is counted.
    let changed = async |bench: &mut Bench, ever: [u32; 3]| {
        for _ in 0..10 {
            bench.pass(Duration::from_secs(6)).await;
            if counted(bench).0 == ever {
                break;
            }
        }
        counted(bench)
    };
    bench.operator().create(entry("a", &["w"])).await;
    assert_eq!(changed(&mut bench, [1, 0, 0]).await, ([1, 0, 0], [1, 0, 0]));
    bench.operator().update(entry("a", &["v"])).await;
    assert_eq!(changed(&mut bench, [1, 1, 0]).await, ([1, 1, 0], [0, 1, 0]));
    bench.operator().delete("a").await;
    assert_eq!(changed(&mut bench, [1, 1, 1]).await, ([1, 1, 1], [0, 0, 1]));
    bench.settle().await;
    assert_eq!(counted(&bench), ([1, 1, 1], [0; 3]));
}
