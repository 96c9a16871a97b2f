//! Which X.509-SVIDs are kept, when they are renewed, and which are never given.

use std::time::Duration;

use steeple_crypto::keys::PrivateKey;
use steeple_crypto::x509::Certificate;
use steeple_proto::spire::agent::debug::v1::GetInfoRequest;
use steeple_proto::spire::agent::debug::v1::debug_client::DebugClient;
use steeple_proto::spire::api::types;
use tonic::Code;

use crate::bench::{Bench, START, entry, in_time, next};

fn serial(chain: &[u8]) -> String {
    Certificate::from_der(chain).unwrap().serial_decimal()
}

/// How many SVIDs the agent keeps, by its own account.
async fn kept(bench: &Bench) -> i32 {
    let mut client = DebugClient::new(bench.admin_channel());
    in_time(client.get_info(GetInfoRequest {})).await.unwrap().into_inner().cached_x509_svids_count
}

#[tokio::test]
async fn svid_is_for_the_key_and_the_id_and_verifies() {
    let mut bench = Bench::new().await;
    bench.entry("a", &["w"]).await;
    let svid = bench.workload().x509().await.unwrap().svids.remove(0);
    let leaf = Certificate::from_der(&svid.x509_svid).unwrap();
    let key = PrivateKey::from_pkcs8(&svid.x509_svid_key).unwrap();
    assert_eq!(leaf.public_key(), key.public_key());
    let verified =
        steeple_crypto::verify::verify_svid(&[&svid.x509_svid], |_| vec![svid.bundle.clone()], START.parse().unwrap());
    assert_eq!(verified.unwrap().0.as_str(), "spiffe://example.org/a");
    assert!(svid.hint.is_empty());
}

#[tokio::test]
async fn svid_is_renewed_at_half_life_and_the_stream_tells() {
    let mut bench = Bench::new().await;
    bench.entry("a", &["w"]).await;
    let mut stream = bench.workload().x509_stream().await.unwrap();
    let first = next(&mut stream).await.unwrap();
    bench.pass(Duration::from_mins(26)).await;
    bench.settle().await;
    assert_eq!(bench.server.counted.of("BatchNewX509SVID"), 1);
    bench.pass(Duration::from_mins(7)).await;
    bench.settle().await;
    assert_eq!(bench.server.counted.of("BatchNewX509SVID"), 2);
    let second = next(&mut stream).await.unwrap();
    assert_ne!(serial(&first.svids[0].x509_svid), serial(&second.svids[0].x509_svid));
    assert_ne!(first.svids[0].x509_svid_key, second.svids[0].x509_svid_key, "a fresh key each time");
    let text = bench.metrics.render();
    assert!(text.contains("spire_agent_cache_manager_expiring_svids_sum 1"), "{text}");
}

#[tokio::test]
async fn failed_renewal_keeps_the_svid_until_it_expires_and_not_longer() {
    let mut bench = Bench::new().await;
    bench.entry("a", &["w"]).await;
    let first = bench.workload().x509().await.unwrap();
    bench.wire.cut();
    bench.pass(Duration::from_mins(40)).await;
    bench.settle().await;
    let second = bench.workload().x509().await.unwrap();
    assert_eq!(second.svids, first.svids);
    bench.pass(Duration::from_mins(30)).await;
    bench.settle().await;
    // Expired: who asks waits until the server is back.
    let mut stream = bench.workload().x509_stream().await.unwrap();
    bench.wire.lay(bench.server.address);
    for _ in 0..8 {
        bench.pass(Duration::from_mins(1)).await;
    }
    let third = next(&mut stream).await.unwrap();
    assert_ne!(serial(&third.svids[0].x509_svid), serial(&first.svids[0].x509_svid));
    let leaf = Certificate::from_der(&third.svids[0].x509_svid).unwrap();
    assert!(leaf.not_after() > bench.clock.now());
}

#[tokio::test]
async fn limit_of_the_cache_gives_way_to_subscribers_and_holds_again_after_them() {
    let mut bench = Bench::without_agent().await;
    bench.settings.x509_svid_cache_max_size = 2;
    for id in ["a", "b", "c", "d"] {
        bench.operator().create(entry(id, &["w"])).await;
    }
    bench.start().await;
    bench.settle().await;
    assert_eq!(kept(&bench).await, 2);
    let mut stream = bench.workload().x509_stream().await.unwrap();
    assert_eq!(next(&mut stream).await.unwrap().svids.len(), 4);
    bench.settle().await;
    assert_eq!(kept(&bench).await, 4);
    drop(stream);
    // The socket's end reaches the agent in its own time.
    while kept(&bench).await > 2 {
        bench.settle().await;
    }
    assert_eq!(kept(&bench).await, 2);
}

#[tokio::test]
async fn svid_used_last_is_the_one_that_is_kept() {
    let mut bench = Bench::without_agent().await;
    bench.settings.x509_svid_cache_max_size = 1;
    for id in ["a", "b"] {
        bench.operator().create(entry(id, &[id])).await;
    }
    bench.start().await;
    bench.settle().await;
    assert_eq!(bench.server.counted.of("BatchNewX509SVID"), 1);
    bench.labels.set(&["b"]);
    let b = bench.workload().x509().await.unwrap();
    bench.settle().await;
    while kept(&bench).await > 1 {
        bench.settle().await;
    }
    let fetched = bench.server.counted.of("BatchNewX509SVID");
    assert_eq!(bench.workload().x509().await.unwrap().svids, b.svids);
    assert_eq!(bench.server.counted.of("BatchNewX509SVID"), fetched, "it was there");
}

#[tokio::test]
async fn new_entry_does_not_drive_out_an_svid_that_is_there() {
    let mut bench = Bench::without_agent().await;
    bench.settings.x509_svid_cache_max_size = 1;
    bench.operator().create(entry("b", &["b"])).await;
    bench.start().await;
    bench.settle().await;
    bench.entry("a", &["a"]).await;
    assert_eq!(bench.server.counted.of("BatchNewX509SVID"), 1);
}

#[tokio::test]
async fn entry_without_prefetch_is_fetched_for_when_somebody_asks() {
    let mut bench = Bench::without_agent().await;
    let mut lazy = entry("a", &["w"]);
    lazy.additional_attributes =
        Some(types::entry::AdditionalAttributes { disable_x509_svid_prefetch: true, ..Default::default() });
    bench.operator().create(lazy).await;
    bench.start().await;
    bench.settle().await;
    assert_eq!(bench.server.counted.all("BatchNewX509SVID"), [] as [Code; 0]);
    assert_eq!(bench.workload().ids().await, ["spiffe://example.org/a"]);
    assert_eq!(bench.server.counted.of("BatchNewX509SVID"), 1);
}

#[tokio::test]
async fn more_svids_than_fit_a_call_come_in_several() {
    let mut bench = Bench::without_agent().await;
    for number in 0..501 {
        bench.operator().create(entry(&format!("e{number}"), &["x"])).await;
    }
    bench.start().await;
    bench.settle().await;
    assert_eq!(bench.server.counted.of("BatchNewX509SVID"), 2, "five hundred, and one");
}
