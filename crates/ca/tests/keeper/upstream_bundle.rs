//! Authorities below an upstream authority that tells its bundle and takes JWT keys, as a server does.

use std::sync::atomic::Ordering;

use steeple_ca::AuthorityKind::{Jwt, X509};
use steeple_ca::RequestError;
use steeple_crypto::keys::{KeyType, PrivateKey};
use steeple_types::{Bundle, JwtAuthority};

use crate::bench::{Bench, FakeUpstream, operator};

fn key(id: &str, tainted: bool) -> JwtAuthority {
    let public_key = PrivateKey::generate(KeyType::EcP256).unwrap().public_key().spki().to_vec();
    JwtAuthority { key_id: id.to_owned(), public_key, expires_at: None, tainted }
}

/// An upstream authority that publishes keys, of which it has `root` already.
fn publishing() -> std::sync::Arc<FakeUpstream> {
    let upstream = FakeUpstream::new();
    upstream.publishes(key("root", false));
    upstream
}

#[tokio::test]
async fn new_root_is_trusted_before_it_signs_anything_here() {
    let upstream = publishing();
    let mut bench = Bench::below(&upstream).await;
    let before = bench.signs(X509);
    let first = upstream.change();
    upstream.others.lock().push(first.authority(false));
    bench.keeper.upstream_changed(upstream.told()).await.unwrap();
    assert_eq!(bench.store.x509(), [(first.id(), false), (upstream.id(), false)]);
    assert_eq!(bench.signs(X509), before);
}

#[tokio::test]
async fn taint_of_a_root_makes_the_server_go_over_and_its_end_revokes_it() {
    let upstream = publishing();
    let mut bench = Bench::below(&upstream).await;
    let first = upstream.change();
    upstream.others.lock().push(first.authority(true));
    bench.keeper.upstream_changed(upstream.told()).await.unwrap();
    assert_eq!(bench.states(X509).active.unwrap().upstream_authority_id, upstream.id());
    assert_eq!(bench.store.x509(), [(first.id(), true), (upstream.id(), false)]);
    upstream.others.lock().clear();
    bench.keeper.upstream_changed(upstream.told()).await.unwrap();
    assert_eq!(bench.store.x509(), [(upstream.id(), false)]);
}

#[tokio::test]
async fn authority_that_comes_from_a_tainted_root_is_not_used() {
    let upstream = publishing();
    let mut bench = Bench::below(&upstream).await;
    let before = bench.signs(X509);
    let mut told = upstream.told();
    told.x509_authorities[0].tainted = true;
    // One of several servers above has not gone over yet, and signs by the tainted root.
    let refused = bench.keeper.upstream_changed(told.clone()).await.unwrap_err();
    let text = "upstream authority minted an unusable CA: it comes from a tainted authority";
    assert_eq!((refused.to_string().as_str(), bench.signs(X509)), (text, before.clone()));
    assert_eq!(bench.store.x509(), [(upstream.id(), false)], "agents are told when there is something better");
    let first = upstream.change();
    told.x509_authorities.push(upstream.told().x509_authorities.remove(0));
    bench.keeper.upstream_changed(told).await.unwrap();
    assert_ne!(bench.signs(X509), before);
    assert_eq!(bench.store.x509(), [(first.id(), true), (upstream.id(), false)]);
}

#[tokio::test]
async fn jwt_key_is_published_above_and_all_keys_come_back() {
    let upstream = publishing();
    let mut bench = Bench::below(&upstream).await;
    let own = bench.signs(Jwt);
    assert_eq!(bench.store.jwt(), [("root".to_owned(), false), (own.clone(), false)]);
    let above = upstream.told().jwt_authorities.into_iter().map(|key| key.key_id).collect::<Vec<_>>();
    assert_eq!(above, ["root".to_owned(), own.clone()]);
    // Another server's key, published above meanwhile.
    upstream.keys.lock().as_mut().unwrap().push(key("sibling", false));
    bench.keeper.upstream_changed(upstream.told()).await.unwrap();
    assert_eq!(bench.store.jwt().last(), Some(&("sibling".to_owned(), false)));
    // A key of a server below this one.
    let published = bench.keeper.jwt_keys().publish(key("below", false)).await.unwrap();
    let ids: Vec<&str> = published.iter().map(|key| key.key_id.as_str()).collect();
    assert_eq!(ids, ["root", own.as_str(), "sibling", "below"]);
    assert_eq!(upstream.told().jwt_authorities.last().unwrap().key_id, "below");
}

#[tokio::test]
async fn taint_and_end_of_a_jwt_key_are_followed() {
    let upstream = publishing();
    let mut bench = Bench::below(&upstream).await;
    let own = bench.signs(Jwt);
    let mut told = upstream.told();
    told.jwt_authorities[0].tainted = true;
    bench.keeper.upstream_changed(told.clone()).await.unwrap();
    assert_eq!(bench.store.jwt(), [("root".to_owned(), true), (own.clone(), false)]);
    told.jwt_authorities[0].tainted = false;
    bench.keeper.upstream_changed(told.clone()).await.unwrap();
    assert_eq!(bench.store.jwt()[0], ("root".to_owned(), true), "a taint is not taken back");
    told.jwt_authorities.clear();
    bench.keeper.upstream_changed(told).await.unwrap();
    assert_eq!(bench.store.jwt(), [(own, false)], "what was not tainted stays");
}

#[tokio::test]
async fn without_the_upstream_authority_jwt_keys_wait_and_x509_goes_on() {
    let upstream = publishing();
    let mut bench = Bench::below(&upstream).await;
    let (x509, jwt) = (bench.signs(X509), bench.signs(Jwt));
    upstream.is_away.store(true, Ordering::Relaxed);
    let refused = bench.keeper.prepare(Jwt, &operator()).await.unwrap_err();
    let cause = "upstreamauthority(fake): it is away".to_owned();
    assert_eq!(refused, RequestError::Failed { what: "failed to prepare JWT authority".to_owned(), cause });
    bench.hand.advance(std::time::Duration::from_mins(6));
    assert!(bench.keeper.step().await.is_err(), "an authority is due");
    assert_eq!((bench.signs(X509), bench.signs(Jwt)), (x509, jwt.clone()));
    upstream.is_away.store(false, Ordering::Relaxed);
    bench.keeper.step().await.unwrap();
    let prepared = bench.states(Jwt).next.unwrap();
    assert_eq!(bench.store.jwt().last(), Some(&(prepared.id, false)));
    assert_eq!(bench.signs(Jwt), jwt);
}

#[tokio::test]
async fn upstream_authority_that_takes_no_keys_leaves_them_to_the_server() {
    let upstream = FakeUpstream::new();
    let bench = Bench::below(&upstream).await;
    let own = bench.signs(Jwt);
    let published = bench.keeper.jwt_keys().publish(key("below", false)).await.unwrap();
    assert_eq!(published.iter().map(|key| key.key_id.as_str()).collect::<Vec<_>>(), [own.as_str(), "below"]);
    let bundle: Bundle = bench.store.bundle.lock().clone().unwrap();
    assert_eq!(bundle.jwt_authorities, published);
}

#[tokio::test]
async fn authority_that_has_expired_is_not_taken() {
    let upstream = FakeUpstream::new();
    let mut bench = Bench::below(&upstream).await;
    let known = bench.store.x509();
    // Beyond the end of whatever the upstream authority signs.
    bench.hand.advance(std::time::Duration::from_hours(5 * 366 * 24));
    upstream.change();
    let refused = bench.keeper.prepare(X509, &operator()).await.unwrap_err().to_string();
    assert!(refused.contains("minted an unusable CA: it has expired, at 2030-01-01T00:00:00Z"), "{refused}");
    assert_eq!(bench.store.x509(), known, "nothing of it is in the bundle");
}
