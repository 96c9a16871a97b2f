//! Who gets which identities over the Workload API.

use std::time::Duration;

use steeple_proto::workload as wl;
use steeple_proto::workload::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use tonic::Code;

use crate::bench::{Bench, entry, in_time, next, refusal};

#[tokio::test]
async fn call_without_the_security_header_is_refused() {
    let bench = Bench::new().await;
    let mut client = SpiffeWorkloadApiClient::new(bench.channel());
    let missing = (Code::InvalidArgument, "security header missing from request");
    assert_eq!(refusal(&client.fetch_x509svid(wl::X509svidRequest {}).await.unwrap_err()), missing);
    assert_eq!(refusal(&client.fetch_x509_bundles(wl::X509BundlesRequest {}).await.unwrap_err()), missing);
    assert_eq!(refusal(&client.fetch_jwt_bundles(wl::JwtBundlesRequest {}).await.unwrap_err()), missing);
    let request = wl::JwtsvidRequest { audience: vec!["a".to_owned()], spiffe_id: String::new() };
    assert_eq!(refusal(&client.fetch_jwtsvid(request).await.unwrap_err()), missing);
    let request = wl::ValidateJwtsvidRequest { audience: "a".to_owned(), svid: "x".to_owned() };
    assert_eq!(refusal(&client.validate_jwtsvid(request).await.unwrap_err()), missing);
}

#[tokio::test]
async fn workload_without_an_entry_gets_no_identity() {
    let mut bench = Bench::new().await;
    bench.entry("other", &["w", "more"]).await;
    let mut workload = bench.workload();
    let none = (Code::PermissionDenied, "no identity issued");
    assert_eq!(refusal(&workload.x509().await.unwrap_err()), none);
    assert_eq!(refusal(&workload.jwt(&["a"], "").await.unwrap_err()), none);
    assert_eq!(refusal(&workload.x509_bundles().await.unwrap_err()), none);
    assert_eq!(refusal(&workload.jwt_bundles().await.unwrap_err()), none);
}

#[tokio::test]
async fn failed_attestation_of_a_workload_is_told_apart_from_no_identity() {
    let bench = Bench::new().await;
    bench.labels.fail();
    let status = bench.workload().x509().await.unwrap_err();
    assert_eq!(refusal(&status), (Code::Unavailable, "workload attestation failed"));
    assert!(bench.log().contains("Failed to collect all selectors for PID"));
}

#[tokio::test]
async fn identities_come_in_the_order_of_their_entries() {
    let mut bench = Bench::new().await;
    for id in ["c", "a", "b"] {
        bench.operator().create(entry(id, &["w"])).await;
    }
    bench.settle().await;
    bench.labels.set(&["w", "more"]);
    let ids = bench.workload().ids().await;
    assert_eq!(ids, ["spiffe://example.org/a", "spiffe://example.org/b", "spiffe://example.org/c"]);
}

#[tokio::test]
async fn entry_for_a_svid_store_is_no_identity_of_a_workload() {
    let mut bench = Bench::new().await;
    let mut stored = entry("stored", &["w"]);
    stored.store_svid = true;
    bench.operator().create(stored).await;
    bench.settle().await;
    assert!(bench.workload().ids().await.is_empty());
}

#[tokio::test]
async fn of_identities_with_the_same_hint_the_oldest_is_given() {
    let mut bench = Bench::new().await;
    for (id, hint) in [("c", "internal"), ("a", "internal"), ("b", ""), ("d", "")] {
        let mut entry = entry(id, &["w"]);
        entry.hint = hint.to_owned();
        bench.operator().create(entry).await;
        bench.hand.advance(Duration::from_secs(1));
    }
    bench.settle().await;
    let answer = bench.workload().x509().await.unwrap();
    let told: Vec<_> = answer.svids.iter().map(|svid| (svid.spiffe_id.as_str(), svid.hint.as_str())).collect();
    let expected =
        [("spiffe://example.org/b", ""), ("spiffe://example.org/c", "internal"), ("spiffe://example.org/d", "")];
    assert_eq!(told, expected);
    let tokens = bench.workload().jwt(&["a"], "").await.unwrap();
    let told: Vec<_> = tokens.iter().map(|svid| (svid.spiffe_id.as_str(), svid.hint.as_str())).collect();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn stream_waits_until_every_svid_is_there() {
    let mut bench = Bench::without_agent().await;
    bench.settings.x509_svid_cache_max_size = 1;
    for id in ["a", "b", "c"] {
        bench.operator().create(entry(id, &["w"])).await;
    }
    bench.start().await;
    // Nobody asks: one SVID is kept. Who asks gets all three or none.
    let answer = bench.workload().x509().await.unwrap();
    assert_eq!(answer.svids.len(), 3);
    for svid in &answer.svids {
        assert!(!svid.x509_svid.is_empty() && !svid.x509_svid_key.is_empty() && !svid.bundle.is_empty());
    }
}

#[tokio::test]
async fn change_of_an_entry_reaches_a_stream_that_is_open() {
    let mut bench = Bench::new().await;
    let mut made = bench.entry("a", &["w"]).await;
    let mut stream = bench.workload().x509_stream().await.unwrap();
    let first = next(&mut stream).await.unwrap();
    made.hint = "new".to_owned();
    bench.operator().update(made).await;
    bench.settle().await;
    let mut second = next(&mut stream).await.unwrap();
    if second.svids[0].x509_svid == first.svids[0].x509_svid {
        second = next(&mut stream).await.unwrap();
    }
    assert_eq!(second.svids[0].hint, "new");
    assert_ne!(second.svids[0].x509_svid, first.svids[0].x509_svid, "the SVID is of the new revision");
    bench.operator().delete("a").await;
    bench.settle().await;
    let end = in_time(stream.message()).await.unwrap_err();
    assert_eq!(refusal(&end), (Code::PermissionDenied, "no identity issued"));
}

#[tokio::test]
async fn apis_that_are_disabled_are_not_there() {
    let mut bench = Bench::with(|settings| settings.workload_api = false).await;
    let status = bench.workload().x509().await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    bench.stop().await;
    bench.settings.sds_api = false;
    bench.start().await;
    assert!(!bench.settings.socket_path.exists());
}
