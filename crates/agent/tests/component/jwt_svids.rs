//! JWT-SVIDs: kept until half of their life is over, and beyond that while the server is away.

use std::time::Duration;

use steeple_proto::spire::api::types;
use tokio::net::TcpListener;
use tonic::Code;

use crate::bench::{Bench, claims, entry, in_time, refusal};

/// How often the server has made a JWT-SVID.
fn made(bench: &Bench) -> usize {
    bench.server.counted.of("NewJWTSVID")
}

async fn token(bench: &Bench, audience: &[&str]) -> String {
    bench.workload().jwt(audience, "").await.unwrap().remove(0).svid
}

#[tokio::test]
async fn token_is_kept_for_the_audience_in_any_order() {
    let mut bench = Bench::new().await;
    bench.entry("a", &["w"]).await;
    let first = token(&bench, &["x", "y"]).await;
    assert_eq!(token(&bench, &["y", "x"]).await, first);
    assert_eq!(made(&bench), 1);
    assert_ne!(token(&bench, &["x"]).await, first);
    assert_eq!(made(&bench), 2);
    let claims = claims(&first);
    assert_eq!(claims["sub"], "spiffe://example.org/a");
    assert_eq!(claims["aud"], serde_json::json!(["x", "y"]));
}

#[tokio::test]
async fn token_is_renewed_when_half_of_its_life_is_over() {
    let mut bench = Bench::new().await;
    bench.entry("a", &["w"]).await;
    let first = token(&bench, &["x"]).await;
    bench.pass(Duration::from_secs(130)).await;
    assert_eq!(token(&bench, &["x"]).await, first);
    bench.pass(Duration::from_secs(40)).await;
    assert_ne!(token(&bench, &["x"]).await, first);
    assert_eq!(made(&bench), 2);
}

#[tokio::test]
async fn token_that_holds_is_given_while_the_server_is_away_and_none_after_that() {
    let mut bench = Bench::new().await;
    bench.entry("a", &["w"]).await;
    let first = token(&bench, &["x"]).await;
    bench.wire.cut();
    bench.pass(Duration::from_mins(4)).await;
    assert_eq!(token(&bench, &["x"]).await, first, "past its half, but valid");
    bench.pass(Duration::from_mins(2)).await;
    let status = bench.workload().jwt(&["x"], "").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().starts_with("could not fetch JWT-SVID: "), "{status:?}");
}

#[tokio::test]
async fn token_that_holds_is_given_when_the_server_takes_too_long() {
    let mut bench = Bench::with(|settings| settings.jwt_svid_cache_hit_timeout = Duration::from_secs(5)).await;
    bench.entry("a", &["w"]).await;
    let first = token(&bench, &["x"]).await;
    bench.pass(Duration::from_mins(4)).await;
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    bench.wire.lay(mute.local_addr().unwrap());
    let asking = async { (token(&bench, &["x"]).await, bench.log()) };
    let waiting = async {
        let held = in_time(mute.accept()).await.unwrap();
        bench.hand.advance(Duration::from_secs(5));
        held
    };
    let ((second, log), _held) = tokio::join!(in_time(asking), waiting);
    assert_eq!(second, first);
    let said = log.lines().find(|line| line.contains("Unable to renew JWT; returning cached copy")).unwrap();
    assert!(said.contains("server did not answer in time"), "{said}");
}

#[tokio::test]
async fn limit_of_the_tokens_is_hard_and_the_one_used_last_stays() {
    let mut bench = Bench::with(|settings| settings.jwt_svid_cache_max_size = 2).await;
    bench.entry("a", &["w"]).await;
    let first = token(&bench, &["x"]).await;
    token(&bench, &["y"]).await;
    token(&bench, &["x"]).await;
    token(&bench, &["z"]).await;
    assert_eq!(made(&bench), 3);
    assert_eq!(token(&bench, &["x"]).await, first);
    assert_eq!(made(&bench), 3, "x stays");
    token(&bench, &["y"]).await;
    assert_eq!(made(&bench), 4, "y had to go");
}

#[tokio::test]
async fn entry_with_jti_has_a_new_token_each_time() {
    let mut bench = Bench::new().await;
    let mut unique = entry("a", &["w"]);
    unique.additional_attributes =
        Some(types::entry::AdditionalAttributes { jwt_svid_include_jti: true, ..Default::default() });
    bench.operator().create(unique).await;
    bench.settle().await;
    let (first, second) = (token(&bench, &["x"]).await, token(&bench, &["x"]).await);
    assert_ne!(claims(&first)["jti"], claims(&second)["jti"]);
    assert!(claims(&first)["jti"].is_string());
    assert_eq!(made(&bench), 2);
}

#[tokio::test]
async fn token_is_for_the_identity_asked_for() {
    let mut bench = Bench::new().await;
    bench.entry("a", &["w"]).await;
    bench.entry("b", &["w"]).await;
    let all = bench.workload().jwt(&["x"], "").await.unwrap();
    let ids: Vec<_> = all.iter().map(|svid| svid.spiffe_id.as_str()).collect();
    assert_eq!(ids, ["spiffe://example.org/a", "spiffe://example.org/b"]);
    let one = bench.workload().jwt(&["x"], "spiffe://example.org/b").await.unwrap();
    assert_eq!(one, all[1..]);
    let status = bench.workload().jwt(&["x"], "spiffe://example.org/c").await.unwrap_err();
    assert_eq!(refusal(&status), (Code::PermissionDenied, "no identity issued"));
    let status = bench.workload().jwt(&["x"], "nonsense").await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().starts_with("invalid requested SPIFFE ID: "), "{status:?}");
    let status = bench.workload().jwt(&[], "").await.unwrap_err();
    assert_eq!(refusal(&status), (Code::InvalidArgument, "audience must be specified"));
}
