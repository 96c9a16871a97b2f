//! Bundles of other trust domains, fetched from their endpoints.

use std::time::Duration;

use steeple_audit::EventKind;
use steeple_clock::Clock;
use steeple_crypto::bundle::to_document;
use steeple_proto::spire::api::server::bundle::v1::BatchSetFederatedBundleRequest;
use steeple_proto::spire::api::server::trustdomain::v1 as pb;
use steeple_proto::spire::api::types;
use steeple_proto::spire::api::types::federation_relationship::BundleEndpointProfile;
use steeple_runtime::Shutdown;
use steeple_store::Store;
use steeple_store::units::{CreateRelationship, DeleteRelationship, SetBundle};
use steeple_types::{Bundle, EndpointProfile, FederationRelationship};
use tonic::Code;

use crate::bench::{Bench, refused};
use crate::peer::{Answer, Authority, PEER, Peer, bundle, domain};

const FETCHING: &str = "failed to refresh bundle: failed to fetch federated bundle from endpoint: ";

async fn stored(store: &Store) -> Option<Bundle> {
    store.read("bundle.fetch", |tx| tx.bundle(&domain(PEER))).await.unwrap()
}

/// A server with a relationship of its datastore, which knows the peer's authority.
async fn federated(peer: &Peer) -> Bench {
    let bench = Bench::new().await;
    introduce(&bench.store, peer).await;
    bench
}

async fn introduce(store: &Store, peer: &Peer) {
    let known = Bundle { jwt_authorities: vec![], refresh_hint: 0, ..bundle(&[&peer.authority], 0) };
    store.write(CreateRelationship { relationship: peer.relationship(), bundle: Some(known) }).await.unwrap();
}

async fn refresh(bench: &Bench) -> Result<(), (Code, String)> {
    let request = pb::RefreshBundleRequest { trust_domain: PEER.to_owned() };
    let answer = bench.local().trust_domain().refresh_bundle(request).await;
    if answer.is_ok() { Ok(()) } else { Err(refused(answer)) }
}

/// What is said of a refresh that fails, and must change nothing.
async fn refusal(bench: &Bench) -> String {
    let before = stored(&bench.store).await;
    let (code, text) = refresh(bench).await.unwrap_err();
    assert_eq!((code, stored(&bench.store).await), (Code::Internal, before));
    text
}

/// Runs a server while `drive` looks on.
async fn run(bench: Bench, drive: impl AsyncFnOnce(&Running)) {
    let Bench { server, store, hand, counted, .. } = bench;
    let (running, shutdown) = (Running { store, hand, counted }, Shutdown::new());
    let drive = async {
        // What never happens must not hold up the tests.
        let in_time = Clock::system().timeout(Duration::from_mins(2), drive(&running)).await;
        assert!(in_time.is_ok(), "what is waited for does not happen");
        shutdown.trigger();
    };
    let (ended, ()) = tokio::join!(server.run(shutdown.clone()), drive);
    ended.unwrap();
}

/// What a test has in hand of a running server.
struct Running {
    store: Store,
    hand: steeple_clock::ManualClock,
    counted: std::sync::Arc<crate::bench::Counted>,
}

impl Running {
    /// Waits until so many fetches have ended; yields how.
    async fn fetches(&self, count: usize) -> Vec<Code> {
        self.counted.jobs("bundle_manager_fetch_federated_bundle", count).await
    }

    /// Lets time go by until the server, at rest, does something.
    async fn pass(&self, time: Duration) {
        self.hand.wait_for_sleepers(SLEEPERS).await;
        self.hand.advance(time);
    }
}

/// Jobs of a server at rest that wait for a time.
const SLEEPERS: usize = 9;

#[tokio::test]
async fn published_bundle_is_fetched_recorded_and_stored() {
    let peer = Peer::start().await;
    let bench = federated(&peer).await;
    let published = bundle(&[&peer.authority, &Authority::new()], 7);
    peer.answers(Answer::bundle(&published));
    refresh(&bench).await.unwrap();
    assert_eq!(stored(&bench.store).await, Some(published.clone()));
    let refreshed = |bench: &Bench| {
        let kinds = bench.recorded.kinds();
        let is_one = |kind: &&EventKind| matches!(kind, EventKind::BundleRefreshed { .. });
        kinds.iter().filter(is_one).cloned().collect::<Vec<_>>()
    };
    let event = EventKind::BundleRefreshed { trust_domain: domain(PEER), sequence_number: 7 };
    assert_eq!(refreshed(&bench), std::slice::from_ref(&event));

    let in_other_order =
        Bundle { x509_authorities: published.x509_authorities.iter().rev().cloned().collect(), ..published };
    peer.answers(Answer::bundle(&in_other_order));
    refresh(&bench).await.unwrap();
    assert_eq!(refreshed(&bench), [event], "it says the same");

    bench.recorded.broken.store(true, std::sync::atomic::Ordering::Relaxed);
    peer.answers(Answer::bundle(&bundle(&[&peer.authority], 8)));
    let said = refusal(&bench).await;
    assert!(said.starts_with("failed to refresh bundle: failed to record the change: "), "{said}");
}

#[tokio::test]
async fn relationships_that_are_not_there_cannot_be_refreshed() {
    let bench = Bench::new().await;
    let text = "no relationship with trust domain \"other.example\"".to_owned();
    assert_eq!(refresh(&bench).await, Err((Code::NotFound, text)));
    let request = pb::RefreshBundleRequest { trust_domain: "A b".to_owned() };
    let (code, said) = refused(bench.local().trust_domain().refresh_bundle(request).await);
    assert_eq!(code, Code::InvalidArgument);
    assert!(said.starts_with("failed to parse trust domain: "), "{said}");
}

#[tokio::test]
async fn endpoint_that_shows_another_svid_is_not_believed() {
    let peer = Peer::start().await;
    let bench = federated(&peer).await;
    peer.shows("spiffe://other.example/somebody", None);
    let said = refusal(&bench).await;
    let url = peer.url();
    assert!(said.starts_with(&format!("{FETCHING}failed to fetch bundle: Get \"{url}\": tls: ")), "{said}");
    assert!(said.contains("unexpected peer ID \"spiffe://other.example/somebody\""), "{said}");
    peer.shows("spiffe://other.example/endpoint", Some(&Authority::new()));
    let said = refusal(&bench).await;
    assert!(said.contains("tls: invalid peer certificate: "), "{said}");
    peer.shows("spiffe://third.example/endpoint", Some(&Authority::of("third.example")));
    refusal(&bench).await;
    assert_eq!(peer.asked(), 0, "nobody is asked who is not believed");
    peer.shows("spiffe://other.example/endpoint", None);
    refresh(&bench).await.unwrap();
}

#[tokio::test]
async fn endpoint_can_not_be_verified_without_its_bundle() {
    let peer = Peer::start().await;
    let bench = Bench::new().await;
    let create = CreateRelationship { relationship: peer.relationship(), bundle: None };
    bench.store.write(create).await.unwrap();
    let said = "failed to refresh bundle: can't perform SPIFFE Authentication: local copy of bundle not found";
    assert_eq!(refusal(&bench).await, said);
}

#[tokio::test]
async fn endpoint_of_the_web_that_shows_an_svid_is_named() {
    let peer = Peer::start().await;
    let bench = Bench::new().await;
    let relationship = FederationRelationship { profile: EndpointProfile::HttpsWeb, ..peer.relationship() };
    bench.store.write(CreateRelationship { relationship, bundle: None }).await.unwrap();
    let said = refusal(&bench).await;
    let hint = "failed to authenticate bundle endpoint using web authentication but the server certificate contains SPIFFE \
                ID \"spiffe://other.example/endpoint\": maybe use https_spiffe instead of https_web: Get ";
    assert!(said.starts_with(&format!("{FETCHING}{hint}")), "{said}");
}

/// A document with one key.
fn keys(key: &str) -> Answer {
    Answer::Document(format!("{{\"keys\":[{key}]}}"))
}

#[tokio::test]
async fn lies_change_nothing() {
    let peer = Peer::start().await;
    let bench = federated(&peer).await;
    peer.answers(Answer::bundle(&bundle(&[&peer.authority], 5)));
    refresh(&bench).await.unwrap();
    let of_third = Authority::of("third.example");
    let huge = Bundle { jwt_authorities: vec![bundle(&[], 0).jwt_authorities.remove(0); 10_000], ..bundle(&[], 9) };
    let get = format!("failed to fetch bundle: Get \"{}\":", peer.url());
    for (answer, said) in [
        (
            Answer::bundle(&bundle(&[&of_third], 6)),
            "the bundle is that of trust domain \"third.example\", not of \"other.example\"".to_owned(),
        ),
        (Answer::bundle(&huge), format!("{get} length limit exceeded")),
        (Answer::Endless(" ".repeat(4096)), format!("{get} length limit exceeded")),
        (keys("{\"kty\":\"EC\",\"kid\":\"a\"}"), "missing use for key entry 0".to_owned()),
        (keys("{\"use\":\"sig\",\"kty\":\"EC\",\"kid\":\"a\"}"), "unrecognized use \"sig\" for key entry 0".to_owned()),
        (
            keys("{\"use\":\"x509-svid\",\"kty\":\"EC\"}"),
            "expected a single certificate in x509-svid entry 0; got 0".to_owned(),
        ),
        (Answer::Document("{}".to_owned()), "no authorities found".to_owned()),
        (
            Answer::status("503 Service Unavailable", "", "later\n"),
            "unexpected status 503 fetching bundle: later\n".to_owned(),
        ),
        (
            Answer::status("302 Found", "Location: http://127.0.0.1:1/\r\n", ""),
            "failed to fetch bundle: http://127.0.0.1:1/ must start with https://".to_owned(),
        ),
        (Answer::status("302 Found", "Location: /bundle\r\n", ""), format!("{get} stopped after 10 redirects")),
    ] {
        peer.answers(answer);
        assert_eq!(refusal(&bench).await, format!("{FETCHING}{said}"));
    }
    peer.answers(Answer::Document("<html>".to_owned()));
    let said = refusal(&bench).await;
    assert!(said.starts_with(&format!("{FETCHING}failed to decode bundle: ")), "{said}");
    peer.answers(Answer::Text("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"keys\":[]}".to_owned()));
    let said = refusal(&bench).await;
    assert!(said.starts_with(&format!("{FETCHING}{get} ")), "a part is not the whole: {said}");
}

#[tokio::test]
async fn bundles_never_go_backwards_when_a_sequence_is_told() {
    let peer = Peer::start().await;
    let bench = federated(&peer).await;
    let new = Authority::new();
    peer.answers(Answer::bundle(&bundle(&[&peer.authority, &new], 5)));
    refresh(&bench).await.unwrap();
    peer.answers(Answer::bundle(&bundle(&[&peer.authority], 4)));
    let said = refusal(&bench).await;
    let older =
        "failed to refresh bundle: fetched bundle is older than the stored one: sequence number 4 is lower than 5; ";
    assert!(said.starts_with(older), "{said}");
    for next in [bundle(&[&peer.authority, &new], 5), bundle(&[&peer.authority], 6), bundle(&[&peer.authority], 0)] {
        peer.answers(Answer::bundle(&next));
        refresh(&bench).await.unwrap();
        assert_eq!(stored(&bench.store).await, Some(next));
    }
}

#[tokio::test]
async fn revocation_of_all_keys_is_believed() {
    let peer = Peer::start().await;
    let bench = federated(&peer).await;
    peer.answers(keys(""));
    refresh(&bench).await.unwrap();
    let stored = stored(&bench.store).await.unwrap();
    assert_eq!((stored.x509_authorities.len(), stored.jwt_authorities.len()), (0, 0));
}

#[tokio::test]
async fn slow_endpoint_is_given_up_in_time() {
    let peer = Peer::start().await;
    let bench = federated(&peer).await;
    peer.answers(Answer::Silence);
    let time = async {
        peer.was_asked(1).await;
        bench.hand.wait_for_sleepers(1).await;
        bench.hand.advance(Duration::from_secs(30));
    };
    let (said, ()) = tokio::join!(refusal(&bench), time);
    let url = peer.url();
    assert_eq!(said, format!("{FETCHING}failed to fetch bundle: Get \"{url}\": no whole answer within 30 s"));
}

#[tokio::test]
async fn redirection_leads_to_an_endpoint_that_shows_the_same_svid() {
    let (peer, target) = (Peer::start().await, Peer::start().await);
    let bench = federated(&peer).await;
    peer.answers(Answer::status("302 Found", &format!("Location: {}\r\n", target.url()), ""));
    let said = refusal(&bench).await;
    assert!(said.contains("tls: invalid peer certificate: "), "{said}");
    target.shows("spiffe://other.example/endpoint", Some(&peer.authority));
    let published = bundle(&[&peer.authority], 3);
    target.answers(Answer::bundle(&published));
    refresh(&bench).await.unwrap();
    assert_eq!(stored(&bench.store).await, Some(published));
}

#[tokio::test]
async fn bundles_are_fetched_at_the_start_and_then_by_their_hint() {
    let peer = Peer::start().await;
    let first = bundle(&[&peer.authority], 2);
    peer.answers(Answer::bundle(&first));
    run(federated(&peer).await, async |running| {
        assert_eq!(running.fetches(1).await, [Code::Ok]);
        assert_eq!(stored(&running.store).await, Some(first.clone()));
        let second = bundle(&[&peer.authority], 3);
        peer.answers(Answer::bundle(&second));
        running.pass(Duration::from_secs(74)).await;
        running.pass(Duration::from_millis(999)).await;
        running.hand.wait_for_sleepers(SLEEPERS).await;
        assert_eq!(peer.asked(), 1);
        running.pass(Duration::from_millis(1)).await;
        assert_eq!(running.fetches(2).await, [Code::Ok; 2]);
        assert_eq!(stored(&running.store).await, Some(second));
        assert_eq!(running.counted.events("bundle_manager_update_federated_bundle"), 2);
    })
    .await;
}

#[tokio::test]
async fn peer_that_is_down_is_asked_again_after_a_minute() {
    let peer = Peer::start().await;
    let bench = federated(&peer).await;
    peer.answers(Answer::status("500 Internal Server Error", "", ""));
    run(bench, async |running| {
        assert_eq!(running.fetches(1).await, [Code::Unknown]);
        peer.answers(Answer::bundle(&bundle(&[&peer.authority], 1)));
        running.pass(Duration::from_mins(1)).await;
        assert_eq!(running.fetches(2).await, [Code::Unknown, Code::Ok]);
    })
    .await;
}

#[tokio::test]
async fn silent_peer_does_not_hold_up_the_others() {
    let (silent, peer) = (Peer::start().await, Peer::start().await);
    let bench = federated(&peer).await;
    silent.answers(Answer::Silence);
    // By its name it is the first that is asked.
    let relationship = FederationRelationship { trust_domain: domain("a-silent.example"), ..silent.relationship() };
    let relationship = FederationRelationship { bundle_endpoint_url: silent.url(), ..relationship };
    bench.store.write(CreateRelationship { relationship, bundle: None }).await.unwrap();
    // Both show an SVID of the same authority.
    silent.shows("spiffe://other.example/endpoint", Some(&peer.authority));
    run(bench, async |running| {
        silent.was_asked(1).await;
        assert_eq!(running.fetches(1).await, [Code::Ok]);
    })
    .await;
}

#[tokio::test]
async fn fetch_that_is_under_way_ends_with_its_relationship() {
    let peer = Peer::start().await;
    peer.answers(Answer::Silence);
    let bench = federated(&peer).await;
    let calls = bench.local();
    run(bench, async |_running| {
        peer.was_asked(1).await;
        let delete = pb::BatchDeleteFederationRelationshipRequest { trust_domains: vec![PEER.to_owned()] };
        calls.trust_domain().batch_delete_federation_relationship(delete).await.unwrap();
        peer.was_left(1).await;
    })
    .await;
}

#[tokio::test]
async fn relationships_are_followed_from_creation_to_deletion() {
    let (peer, moved) = (Peer::start().await, Peer::start().await);
    let bench = Bench::new().await;
    let calls = bench.local();
    run(bench, async |running| {
        running.hand.wait_for_sleepers(SLEEPERS).await;
        let url = peer.url();
        let mut relationship = types::FederationRelationship {
            trust_domain: PEER.to_owned(),
            bundle_endpoint_url: url,
            bundle_endpoint_profile: Some(BundleEndpointProfile::HttpsSpiffe(types::HttpsspiffeProfile {
                endpoint_spiffe_id: "spiffe://other.example/endpoint".to_owned(),
            })),
            trust_domain_bundle: Some(types::Bundle {
                trust_domain: PEER.to_owned(),
                x509_authorities: vec![types::X509Certificate {
                    asn1: peer.authority.certificate.clone(),
                    tainted: false,
                }],
                ..types::Bundle::default()
            }),
        };
        let create = pb::BatchCreateFederationRelationshipRequest {
            federation_relationships: vec![relationship.clone()],
            output_mask: None,
        };
        calls.trust_domain().batch_create_federation_relationship(create).await.unwrap();
        assert_eq!(running.fetches(1).await, [Code::Ok], "at once");

        moved.shows("spiffe://other.example/endpoint", Some(&peer.authority));
        moved.answers(Answer::bundle(&bundle(&[&peer.authority], 9)));
        relationship.bundle_endpoint_url = moved.url();
        relationship.trust_domain_bundle = None;
        let update = pb::BatchUpdateFederationRelationshipRequest {
            federation_relationships: vec![relationship],
            ..Default::default()
        };
        calls.trust_domain().batch_update_federation_relationship(update).await.unwrap();
        assert_eq!(running.fetches(2).await, [Code::Ok; 2], "at once");
        assert_eq!((peer.asked(), moved.asked()), (1, 1));

        let delete = pb::BatchDeleteFederationRelationshipRequest { trust_domains: vec![PEER.to_owned()] };
        calls.trust_domain().batch_delete_federation_relationship(delete).await.unwrap();
        running.pass(Duration::from_hours(1)).await;
        running.hand.wait_for_sleepers(SLEEPERS).await;
        assert_eq!((peer.asked(), moved.asked()), (1, 1), "nobody is asked any more");
        assert_eq!(stored(&running.store).await.unwrap().sequence_number, 9, "its bundle stays");
    })
    .await;
}

#[tokio::test]
async fn relationships_of_other_servers_are_seen_within_ten_seconds() {
    let peer = Peer::start().await;
    let bench = Bench::new().await;
    let other = bench.other_server();
    run(bench, async |running| {
        running.hand.wait_for_sleepers(SLEEPERS).await;
        introduce(&other, &peer).await;
        running.pass(Duration::from_secs(10)).await;
        assert_eq!(running.fetches(1).await, [Code::Ok]);
        other.write(DeleteRelationship { trust_domain: domain(PEER) }).await.unwrap();
        running.pass(Duration::from_secs(10)).await;
        running.pass(Duration::from_hours(1)).await;
        running.hand.wait_for_sleepers(SLEEPERS).await;
        assert_eq!(peer.asked(), 1);
    })
    .await;
}

#[tokio::test]
async fn bundle_set_by_hand_ends_the_wait_for_it() {
    let peer = Peer::start().await;
    let bench = Bench::new().await;
    let create = CreateRelationship { relationship: peer.relationship(), bundle: None };
    bench.store.write(create).await.unwrap();
    let calls = bench.local();
    run(bench, async |running| {
        assert_eq!(running.fetches(1).await, [Code::Unknown]);
        let authority = types::X509Certificate { asn1: peer.authority.certificate.clone(), tainted: false };
        let bundle = types::Bundle {
            trust_domain: PEER.to_owned(),
            x509_authorities: vec![authority],
            ..types::Bundle::default()
        };
        let request = BatchSetFederatedBundleRequest { bundle: vec![bundle], output_mask: None };
        calls.bundle().batch_set_federated_bundle(request).await.unwrap();
        assert_eq!(running.fetches(2).await, [Code::Unknown, Code::Ok], "no time has gone by");
    })
    .await;
}

#[tokio::test]
async fn relationships_of_the_configuration_outweigh_those_of_the_datastore() {
    let (configured, written) = (Peer::start().await, Peer::start().await);
    let relationship = configured.relationship();
    let bench = Bench::with(|settings| settings.federation.federates_with = vec![relationship]).await;
    introduce(&bench.store, &written).await;
    let known = bundle(&[&configured.authority], 0);
    bench.store.write(SetBundle { bundle: known }).await.unwrap();
    refresh(&bench).await.unwrap();
    run(bench, async |running| {
        assert_eq!(running.fetches(1).await, [Code::Ok]);
        assert_eq!((configured.asked(), written.asked()), (2, 0));
    })
    .await;
}

#[tokio::test]
async fn document_of_a_server_is_what_others_read() {
    let peer = Peer::start().await;
    let published = bundle(&[&peer.authority], 3);
    let text = to_document(&published).unwrap();
    let read = steeple_crypto::bundle::from_document(domain(PEER), text.as_bytes()).unwrap();
    assert!(read.says_the_same_as(&published));
}
