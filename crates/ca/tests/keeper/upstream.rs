//! Authorities below an upstream authority whose roots change.

use steeple_audit::EventKind;
use steeple_ca::AuthorityKind::X509;
use steeple_ca::RequestError;
use steeple_crypto::keys::{KeyType, PrivateKey};

use crate::bench::{Bench, FakeUpstream, operator};

#[tokio::test]
async fn root_is_replaced_tainted_and_revoked() {
    let upstream = FakeUpstream::new();
    let mut bench = Bench::below(&upstream).await;
    let first = upstream.id();
    assert_eq!(bench.states(X509).active.unwrap().upstream_authority_id, first);
    let root = upstream.change();
    // Both are trusted until the old one is tainted.
    upstream.others.lock().push(root.authority(false));
    let second = upstream.id();
    let refused = bench.keeper.taint_upstream(&first, &operator()).await.unwrap_err();
    let cause = Some("unable to use upstream authority singing current authority".to_owned());
    assert_eq!(refused, RequestError::Malformed { what: "provided subject key id is not valid", cause });
    let (old, active) = bench.force(X509).await;
    assert_eq!((old.upstream_authority_id, active.upstream_authority_id), (first.clone(), second.clone()));
    assert_eq!(bench.store.x509(), [(first.clone(), false), (second.clone(), false)]);
    bench.keeper.taint_upstream(&first, &operator()).await.unwrap();
    assert_eq!(bench.store.x509(), [(first.clone(), true), (second.clone(), false)]);
    bench.keeper.revoke_upstream(&first, &operator()).await.unwrap();
    assert_eq!(bench.store.x509(), [(second, false)]);
}

#[tokio::test]
async fn local_authority_below_an_upstream_is_neither_tainted_nor_revoked() {
    let upstream = FakeUpstream::new();
    let mut bench = Bench::below(&upstream).await;
    let (old, _) = bench.force(X509).await;
    let tainted = bench.keeper.taint(X509, &old.id, &operator()).await;
    let text = "local authority can't be tainted if there is an upstream authority";
    assert_eq!(tainted, Err(RequestError::Unfit(text)));
    let revoked = bench.keeper.revoke(X509, &old.id, &operator()).await;
    let text = "local authority can't be revoked if there is an upstream authority";
    assert_eq!(revoked, Err(RequestError::Unfit(text)));
}

#[tokio::test]
async fn tainted_root_that_is_told_no_more_is_revoked() {
    let upstream = FakeUpstream::new();
    let mut bench = Bench::below(&upstream).await;
    let (first, _) = (upstream.id(), upstream.change());
    bench.force(X509).await;
    bench.keeper.taint_upstream(&first, &operator()).await.unwrap();
    bench.keeper.prepare(X509, &operator()).await.unwrap();
    assert_eq!(bench.store.x509(), [(upstream.id(), false)]);
}

#[tokio::test]
async fn taint_in_the_bundle_is_not_taken_back() {
    let upstream = FakeUpstream::new();
    let mut bench = Bench::below(&upstream).await;
    let root = upstream.change();
    upstream.others.lock().push(root.authority(false));
    bench.force(X509).await;
    bench.keeper.taint_upstream(&root.id(), &operator()).await.unwrap();
    bench.keeper.prepare(X509, &operator()).await.unwrap();
    assert_eq!(bench.store.x509(), [(root.id(), true), (upstream.id(), false)]);
}

#[tokio::test]
async fn taint_told_from_above_is_passed_on_when_the_own_authority_has_another_signer() {
    let upstream = FakeUpstream::new();
    let mut bench = Bench::below(&upstream).await;
    let root = upstream.change();
    let before = bench.signs(X509);
    upstream.others.lock().push(root.authority(true));
    // The upstream is heard when it signs.
    let prepared = bench.keeper.prepare(X509, &operator()).await.unwrap();
    assert_eq!(bench.signs(X509), before);
    assert_eq!(bench.store.x509(), [(root.id(), false), (upstream.id(), false)]);
    bench.keeper.step().await.unwrap();
    assert_eq!(bench.signs(X509), prepared.id);
    assert_eq!(bench.store.x509(), [(root.id(), true), (upstream.id(), false)]);
    bench.keeper.step().await.unwrap();
    assert_eq!(bench.signs(X509), prepared.id, "once is enough");
    let order: Vec<&'static str> = bench
        .store
        .recorded
        .lock()
        .iter()
        .filter_map(|(_, event)| match event {
            EventKind::AuthorityPrepared { kind: "x509", .. } => Some("prepared"),
            EventKind::AuthorityActivated { kind: "x509", .. } => Some("activated"),
            EventKind::AuthorityTainted { .. } => Some("tainted"),
            _ => None,
        })
        .collect();
    assert_eq!(order, ["prepared", "activated", "prepared", "activated", "tainted"]);
}

#[tokio::test]
async fn root_tainted_by_another_server_makes_this_one_go_over() {
    let upstream = FakeUpstream::new();
    let mut bench = Bench::below(&upstream).await;
    let before = bench.signs(X509);
    let (first, _) = (upstream.id(), upstream.change());
    let bundle = bench.store.bundle.lock().clone().unwrap();
    bench.keeper.bundle_changed(&bundle).await.unwrap();
    assert_eq!(bench.signs(X509), before, "nothing is tainted");
    bench.store.taint_x509(&first);
    let bundle = bench.store.bundle.lock().clone().unwrap();
    bench.keeper.bundle_changed(&bundle).await.unwrap();
    let after = bench.signs(X509);
    assert_ne!(after, before);
    assert_eq!(bench.states(X509).active.unwrap().upstream_authority_id, upstream.id());
    bench.keeper.bundle_changed(&bundle).await.unwrap();
    assert_eq!(bench.signs(X509), after, "once is enough");
}

#[tokio::test]
async fn prepared_authority_of_the_tainted_root_is_passed_over() {
    let upstream = FakeUpstream::new();
    let mut bench = Bench::below(&upstream).await;
    let prepared = bench.keeper.prepare(X509, &operator()).await.unwrap();
    let (first, _) = (upstream.id(), upstream.change());
    bench.store.taint_x509(&first);
    let bundle = bench.store.bundle.lock().clone().unwrap();
    bench.keeper.bundle_changed(&bundle).await.unwrap();
    assert_ne!(bench.signs(X509), prepared.id);
    assert_eq!(bench.states(X509).active.unwrap().upstream_authority_id, upstream.id());
}

#[tokio::test]
async fn ca_of_another_key_than_was_asked_for_is_refused() {
    let upstream = FakeUpstream::new();
    let mut bench = Bench::below(&upstream).await;
    let (signs, bundle) = (bench.signs(X509), bench.store.x509());
    *upstream.key.lock() = Some(PrivateKey::generate(KeyType::EcP256).unwrap());
    let refused = bench.keeper.prepare(X509, &operator()).await.unwrap_err().to_string();
    let said = "upstream authority minted an unusable CA: its key is another than was asked for";
    assert!(refused.ends_with(said), "{refused}");
    assert_eq!((bench.signs(X509), bench.store.x509()), (signs, bundle));
}
