//! The bundles that a workload may verify by.

use futures::FutureExt;
use steeple_crypto::keys::{KeyType, PrivateKey};
use steeple_proto::spire::api::server::bundle::v1::AppendBundleRequest;
use steeple_proto::spire::api::types;
use tonic::Code;

use crate::bench::{Bench, entry, next, refusal};
use crate::servers::TestServer;

/// A server of a foreign trust domain, and its bundle.
pub(crate) async fn foreign_bundle(bench: &Bench) -> (TestServer, types::Bundle) {
    let server = TestServer::start_as(&bench.folder(), bench.clock.clone(), "foreign", "other.test").await;
    let bundle = server.operator().get_bundle(Default::default()).await.unwrap();
    (server, bundle)
}

async fn federated(bench: &mut Bench) -> TestServer {
    let (server, bundle) = foreign_bundle(bench).await;
    bench.operator().federate(bundle).await;
    let mut made = entry("a", &["w"]);
    made.federates_with = vec!["other.test".to_owned()];
    bench.operator().create(made).await;
    bench.operator().create(entry("b", &["b"])).await;
    bench.settle().await;
    server
}

fn new_key() -> types::JwtKey {
    let key = PrivateKey::generate(KeyType::EcP256).unwrap();
    types::JwtKey { public_key: key.public_key().spki().to_vec(), key_id: "k".to_owned(), ..Default::default() }
}

#[tokio::test]
async fn federated_bundles_come_with_the_svid_to_whose_entry_federates() {
    let mut bench = Bench::new().await;
    let _foreign = federated(&mut bench).await;
    let answer = bench.workload().x509().await.unwrap();
    assert_eq!(answer.federated_bundles.keys().collect::<Vec<_>>(), ["spiffe://other.test"]);
    assert!(!answer.federated_bundles["spiffe://other.test"].is_empty());
    bench.labels.set(&["b"]);
    assert!(bench.workload().x509().await.unwrap().federated_bundles.is_empty());
}

#[tokio::test]
async fn bundles_are_keyed_by_trust_domain_and_told_again_only_when_they_change() {
    let mut bench = Bench::new().await;
    let _foreign = federated(&mut bench).await;
    let mut x509 = bench.workload().x509_bundles().await.unwrap();
    let mut jwt = bench.workload().jwt_bundles().await.unwrap();
    let first = next(&mut x509).await.unwrap().bundles;
    let mut names: Vec<_> = first.keys().cloned().collect();
    names.sort();
    assert_eq!(names, ["spiffe://example.org", "spiffe://other.test"]);
    assert_eq!(next(&mut jwt).await.unwrap().bundles.len(), 2);
    // Another entry is no news for who asks for bundles.
    bench.entry("c", &["w"]).await;
    let request = AppendBundleRequest { jwt_authorities: vec![new_key()], ..Default::default() };
    bench.operator().append_bundle(request).await.unwrap();
    bench.settle().await;
    let told = next(&mut jwt).await.unwrap().bundles;
    let document = String::from_utf8(told["spiffe://example.org"].clone()).unwrap();
    assert!(document.contains("\"kid\": \"k\""), "{document}");
}

#[tokio::test]
async fn unchanged_bundles_are_not_told_again() {
    let mut bench = Bench::new().await;
    bench.entry("a", &["w"]).await;
    let mut workload = bench.workload();
    let mut stream = workload.x509_bundles().await.unwrap();
    next(&mut stream).await.unwrap();
    bench.entry("b", &["w"]).await;
    // An answer on the same connection comes after whatever was sent before it.
    workload.jwt(&["x"], "").await.unwrap();
    assert!(stream.message().now_or_never().is_none());
}

#[tokio::test]
async fn jwt_bundle_is_a_plain_jwk_set_indented_by_four_spaces() {
    let mut bench = Bench::new().await;
    bench.entry("a", &["w"]).await;
    let mut stream = bench.workload().jwt_bundles().await.unwrap();
    let document = next(&mut stream).await.unwrap().bundles.remove("spiffe://example.org").unwrap();
    let text = String::from_utf8(document).unwrap();
    assert!(text.starts_with("{\n    \"keys\": [\n        {\n            \"kty\": \"EC\","), "{text}");
    assert!(!text.contains("\"use\"") && !text.contains("spiffe_") && !text.ends_with('\n'), "{text}");
    let set: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(set.as_object().unwrap().keys().collect::<Vec<_>>(), ["keys"]);
}

#[tokio::test]
async fn verifier_without_an_identity_has_the_own_bundle_if_that_is_allowed() {
    let mut bench = Bench::with(|settings| settings.allow_unauthenticated_verifiers = true).await;
    let _foreign = federated(&mut bench).await;
    bench.labels.set(&["nobody"]);
    let mut stream = bench.workload().x509_bundles().await.unwrap();
    let bundles = next(&mut stream).await.unwrap().bundles;
    assert_eq!(bundles.keys().collect::<Vec<_>>(), ["spiffe://example.org"]);
    let mut stream = bench.workload().jwt_bundles().await.unwrap();
    assert_eq!(next(&mut stream).await.unwrap().bundles.len(), 1);
    let status = bench.workload().x509().await.unwrap_err();
    assert_eq!(refusal(&status), (Code::PermissionDenied, "no identity issued"));
}

#[tokio::test]
async fn bundle_that_the_server_has_no_more_is_left_out() {
    let mut bench = Bench::new().await;
    let _foreign = federated(&mut bench).await;
    let request = steeple_proto::spire::api::server::bundle::v1::BatchDeleteFederatedBundleRequest {
        trust_domains: vec!["other.test".to_owned()],
        mode: 2,
    };
    bench.operator().delete_bundles(request).await.unwrap();
    bench.settle().await;
    assert!(bench.workload().x509().await.unwrap().federated_bundles.is_empty());
}
