//! A server below another one, over TLS, with an identity from a Workload API.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use steeple_clock::{Clock, ManualClock};
use steeple_crypto::keys::{KeyType, PrivateKey};
use steeple_crypto::tls::KeyExchange;
use steeple_crypto::x509::{Certificate, Name, self_signed_csr};
use steeple_plugin::{JwtKeyPublication, UpstreamAuthority};
use steeple_proto::spire::api::server::bundle::v1::GetBundleRequest;
use steeple_proto::spire::api::server::localauthority::v1 as authority;
use steeple_proto::spire::api::server::svid::v1 as svid;
use steeple_proto::spire::api::types;
use steeple_proto::workload::X509svid;
use steeple_types::{JwtAuthority, TrustDomain};
use steeple_upstream::{SpireAuthority, SpireAuthorityConfig};
use tempfile::TempDir;

use crate::bench::{Bench, Calls, START, csr, serve};
use crate::new_downstream_x509_ca::downstream_server;
use crate::workload_api::FakeWorkloadApi;

/// Sleepers of a server that is at rest: its jobs, and the one that follows the server above.
const AT_REST: usize = 10;

/// The server above, what its workloads get, and the plugin that reaches both.
struct Above {
    bench: Bench,
    workload_api: FakeWorkloadApi,
    folder: TempDir,
    /// The clock of the plugin alone.
    hand: ManualClock,
    plugin: Arc<SpireAuthority>,
}

impl Above {
    async fn new() -> Self {
        let (bench, folder) = (Bench::new().await, tempfile::tempdir().unwrap());
        let config = SpireAuthorityConfig {
            server_address: "127.0.0.1".to_owned(),
            server_port: bench.server.address().unwrap().port(),
            workload_api_socket: folder.path().join("api.sock"),
            key_exchange: KeyExchange::PostQuantum,
        };
        let (clock, hand) = Clock::manual(START.parse().unwrap());
        let plugin = Arc::new(SpireAuthority::new(&config, TrustDomain::parse("example.org").unwrap(), clock));
        Self { bench, workload_api: FakeWorkloadApi::new(), folder, hand, plugin }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("api.sock")
    }

    /// Registers the server below, and gives it its identity.
    async fn register(&self) {
        let agent = self.bench.agent().await;
        downstream_server(&self.bench, &agent.id).await;
        self.workload_api.give(identity(&self.bench.local(), "spiffe://example.org/server").await);
    }
}

/// What a workload with this ID gets.
async fn identity<A: steeple_net::Answers>(calls: &Calls<A>, id: &str) -> X509svid {
    let key = PrivateKey::generate(KeyType::EcP256).unwrap();
    let csr = self_signed_csr(&key, &Name::default(), &[id.to_owned()], &[]).unwrap();
    let request = svid::MintX509svidRequest { csr, ttl: 0 };
    let minted = calls.svid().mint_x509svid(request).await.unwrap().into_inner().svid.unwrap();
    X509svid {
        spiffe_id: id.to_owned(),
        x509_svid: minted.cert_chain.concat(),
        x509_svid_key: key.to_pkcs8().unwrap().to_vec(),
        bundle: bundle(calls).await.x509_authorities.into_iter().flat_map(|authority| authority.asn1).collect(),
        hint: String::new(),
    }
}

async fn bundle<A: steeple_net::Answers>(calls: &Calls<A>) -> types::Bundle {
    calls.bundle().get_bundle(GetBundleRequest::default()).await.unwrap().into_inner()
}

fn key_ids(bundle: &types::Bundle) -> Vec<String> {
    bundle.jwt_authorities.iter().map(|key| key.key_id.clone()).collect()
}

fn id_of(authority: &types::X509Certificate) -> String {
    hex::encode(Certificate::from_der(&authority.asn1).unwrap().subject_key_id())
}

/// Drives with the Workload API at hand.
async fn beside<T>(workload_api: &FakeWorkloadApi, socket: &Path, drive: impl Future<Output = T>) -> T {
    tokio::select! {
        outcome = drive => outcome,
        () = workload_api.serve(socket) => panic!("the Workload API has ended"),
    }
}

/// The authority that signs, and what signed that.
async fn active<A: steeple_net::Answers>(calls: &Calls<A>) -> (String, String) {
    let request = authority::GetX509AuthorityStateRequest {};
    let state = calls.local_authority().get_x509_authority_state(request).await.unwrap().into_inner();
    let active = state.active.unwrap();
    (active.authority_id, active.upstream_authority_subject_key_id)
}

#[tokio::test]
async fn server_gets_its_ca_and_the_bundle_and_publishes_its_keys() {
    let above = Above::new().await;
    above.register().await;
    let (calls, socket, plugin) = (above.bench.local(), above.socket(), Arc::clone(&above.plugin));
    let drive = async {
        let root = bundle(&calls).await;
        let below = Bench::below(plugin).await;
        let (told, known) = (bundle(&calls).await, bundle(&below.local()).await);
        assert_eq!(known.x509_authorities, root.x509_authorities);
        assert_eq!((told.jwt_authorities.len(), key_ids(&known)), (2, key_ids(&told)));
        let (signs, upstream) = active(&below.local()).await;
        assert_eq!(upstream, id_of(&root.x509_authorities[0]));
        let request = svid::MintX509svidRequest { csr: csr(&["spiffe://example.org/w"]), ttl: 0 };
        let minted = below.local().svid().mint_x509svid(request).await.unwrap().into_inner().svid.unwrap().cert_chain;
        let chain: Vec<Certificate> = minted.iter().map(|der| Certificate::from_der(der).unwrap()).collect();
        assert_eq!((chain.len(), hex::encode(chain[1].subject_key_id())), (2, signs));
        assert_eq!(chain[1].uris(), ["spiffe://example.org"]);
        assert!(chain[1].subject().to_string().contains("OU=DOWNSTREAM-1"), "{}", chain[1].subject());
    };
    Box::pin(serve(above.bench.server, beside(&above.workload_api, &socket, drive))).await;
}

#[tokio::test]
async fn key_of_the_third_level_reaches_the_first() {
    let above = Above::new().await;
    above.register().await;
    let (calls, socket, plugin) = (above.bench.local(), above.socket(), Arc::clone(&above.plugin));
    let drive = async {
        let middle = Bench::below(plugin).await;
        let agent = middle.agent().await;
        let chain = downstream_server(&middle, &agent.id).await;
        let public_key = PrivateKey::generate(KeyType::EcP256).unwrap().public_key().spki().to_vec();
        let key = types::JwtKey { public_key, key_id: "leaf".to_owned(), ..types::JwtKey::default() };
        let request =
            steeple_proto::spire::api::server::bundle::v1::PublishJwtAuthorityRequest { jwt_authority: Some(key) };
        let published = middle.remote(&chain).bundle().publish_jwt_authority(request).await.unwrap().into_inner();
        let (root, known) = (bundle(&calls).await, bundle(&middle.local()).await);
        assert_eq!(published.jwt_authorities, known.jwt_authorities);
        assert_eq!((key_ids(&root).len(), key_ids(&known)), (3, key_ids(&root)));
        assert_eq!(key_ids(&root).last().unwrap(), "leaf");
    };
    Box::pin(serve(above.bench.server, beside(&above.workload_api, &socket, drive))).await;
}

#[tokio::test]
async fn rotation_and_taint_above_are_followed() {
    let above = Above::new().await;
    above.register().await;
    let (calls, socket, plugin) = (above.bench.local(), above.socket(), Arc::clone(&above.plugin));
    let drive = async {
        let below = Bench::below(plugin).await;
        let (known, hand) = (below.local(), below.hand.clone());
        let follow = async {
            let first = id_of(&bundle(&calls).await.x509_authorities[0]);
            let roots = async || {
                let authorities = bundle(&known).await.x509_authorities;
                authorities.iter().map(|authority| (id_of(authority), authority.tainted)).collect::<Vec<_>>()
            };
            let until = async |expected: &[(String, bool)]| {
                for _ in 0..100 {
                    if roots().await == expected {
                        return;
                    }
                    hand.wait_for_sleepers(AT_REST).await;
                    hand.advance(Duration::from_secs(1));
                }
                panic!("{:?} instead of {expected:?}", roots().await);
            };
            let mut service = calls.local_authority();
            let prepared = service.prepare_x509_authority(authority::PrepareX509AuthorityRequest {}).await.unwrap();
            let second = prepared.into_inner().prepared_authority.unwrap().authority_id;
            until(&[(first.clone(), false), (second.clone(), false)]).await;
            let (before, upstream) = active(&known).await;
            assert_eq!(upstream, first, "nothing is wrong with it yet");
            let request = authority::ActivateX509AuthorityRequest { authority_id: second.clone() };
            service.activate_x509_authority(request).await.unwrap();
            let request = authority::TaintX509AuthorityRequest { authority_id: first.clone() };
            service.taint_x509_authority(request).await.unwrap();
            until(&[(first.clone(), true), (second.clone(), false)]).await;
            let (after, upstream) = active(&known).await;
            assert_eq!((after == before, &upstream), (false, &second), "who hears of the taint finds something better");
            let request = authority::RevokeX509AuthorityRequest { authority_id: first };
            service.revoke_x509_authority(request).await.unwrap();
            until(&[(second, false)]).await;
            assert_eq!(active(&known).await.0, after);
        };
        serve(below.server, follow).await;
    };
    Box::pin(serve(above.bench.server, beside(&above.workload_api, &socket, drive))).await;
}

#[tokio::test]
async fn without_an_identity_a_server_waits_and_gives_up() {
    let above = Above::new().await;
    let (socket, hand) = (above.socket(), above.hand.clone());
    let mint = above.plugin.mint_x509_ca(b"", Duration::from_hours(1));
    let drive = async {
        let pass = async {
            loop {
                // The pause between two attempts, and the end of all patience.
                hand.wait_for_sleepers(2).await;
                hand.advance(Duration::from_secs(5));
            }
        };
        tokio::select! {
            minted = mint => minted.unwrap_err(),
            () = pass => unreachable!(),
        }
    };
    let error = beside(&above.workload_api, &socket, drive).await;
    let text = "upstreamauthority(spire): unable to request a new Downstream X509CA: unable to create X509Source: \
                rpc error: code = PermissionDenied desc = no identity issued";
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn identity_that_comes_late_is_waited_for() {
    let above = Above::new().await;
    let (calls, socket, hand) = (above.bench.local(), above.socket(), above.hand.clone());
    let drive = async {
        let bundle = above.plugin.bundle();
        let register = async {
            hand.wait_for_sleepers(2).await;
            above.workload_api.give(identity(&calls, "spiffe://example.org/server").await);
            hand.advance(Duration::from_secs(2));
        };
        tokio::join!(bundle, register).0.unwrap().unwrap()
    };
    let found = Box::pin(serve(above.bench.server, beside(&above.workload_api, &socket, drive))).await;
    assert_eq!(found.x509_authorities.len(), 1);
}

#[tokio::test]
async fn identity_is_good_while_the_workload_api_is_away_and_a_new_one_is_shown_at_once() {
    let above = Above::new().await;
    above.register().await;
    let (calls, socket, plugin) = (above.bench.local(), above.socket(), Arc::clone(&above.plugin));
    let key = |id: &str| {
        let public_key = PrivateKey::generate(KeyType::EcP256).unwrap().public_key().spki().to_vec();
        JwtAuthority { key_id: id.to_owned(), public_key, expires_at: None, tainted: false }
    };
    let publish = async |id: &str| plugin.publish_jwt_key(&key(id)).await;
    let workload_api = &above.workload_api;
    let drive = async {
        let JwtKeyPublication::Published(all) = publish("one").await.unwrap() else { panic!("keys are published") };
        assert_eq!(all.last().unwrap().key_id, "one");
        workload_api.withdraw();
        let asked = workload_api.asked();
        while workload_api.asked() == asked {
            publish("two").await.unwrap();
        }
        // A workload that is no downstream server.
        workload_api.give(identity(&calls, "spiffe://example.org/other").await);
        let refused = loop {
            if let Err(refused) = publish("three").await {
                break refused;
            }
        };
        let text = "upstreamauthority(spire): failed to push JWT authority: rpc error: code = PermissionDenied desc = \
                    authorization denied for method /spire.api.server.bundle.v1.Bundle/PublishJWTAuthority";
        assert_eq!(refused.to_string(), text);
    };
    Box::pin(serve(above.bench.server, beside(workload_api, &socket, drive))).await;
}

#[tokio::test]
async fn identity_of_another_trust_domain_is_refused() {
    let above = Above::new().await;
    let (calls, socket) = (above.bench.local(), above.socket());
    let own = identity(&calls, "spiffe://example.org/server").await;
    above.workload_api.give(own);
    let config = SpireAuthorityConfig {
        server_address: "127.0.0.1".to_owned(),
        server_port: 1,
        workload_api_socket: socket.clone(),
        key_exchange: KeyExchange::Any,
    };
    let (clock, hand) = Clock::manual(START.parse().unwrap());
    let other = SpireAuthority::new(&config, TrustDomain::parse("other.org").unwrap(), clock);
    let drive = async {
        let pass = async {
            loop {
                // The pause between two attempts, and the end of all patience.
                hand.wait_for_sleepers(2).await;
                hand.advance(Duration::from_secs(5));
            }
        };
        tokio::select! {
            told = other.bundle() => told.unwrap_err().to_string(),
            () = pass => unreachable!(),
        }
    };
    let said = beside(&above.workload_api, &socket, drive).await;
    let end = "gave the X.509-SVID of spiffe://example.org/server, which is not of the trust domain other.org";
    assert!(said.ends_with(end), "{said}");
}
