//! `ValidateJWTSVID`.

use std::time::Duration;

use prost_types::value::Kind;
use steeple_proto::spire::api::server::svid::v1::MintJwtsvidRequest;
use steeple_proto::workload::ValidateJwtsvidResponse;
use tonic::Code;

use crate::bench::{Bench, entry, refusal, spiffe_id};
use crate::bundles::foreign_bundle;

fn names(answer: &ValidateJwtsvidResponse) -> Vec<&str> {
    let mut names: Vec<_> = answer.claims.as_ref().unwrap().fields.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn own_token_validates_with_all_its_claims_and_needs_no_identity() {
    let mut bench = Bench::new().await;
    bench.entry("a", &["w"]).await;
    let token = bench.workload().jwt(&["x"], "").await.unwrap().remove(0).svid;
    bench.labels.set(&["nobody"]);
    let answer = bench.workload().validate("x", &token).await.unwrap();
    assert_eq!(answer.spiffe_id, "spiffe://example.org/a");
    assert_eq!(names(&answer), ["aud", "exp", "iat", "sub"]);
    let aud = &answer.claims.as_ref().unwrap().fields["aud"];
    assert!(matches!(aud.kind, Some(Kind::ListValue(_))));
}

#[tokio::test]
async fn token_of_a_very_long_audience_validates_like_any_other() {
    let mut bench = Bench::new().await;
    bench.entry("a", &["w"]).await;
    let audience = "x".repeat(1_000_000);
    let token = bench.workload().jwt(&[&audience], "").await.unwrap().remove(0).svid;
    let answer = bench.workload().validate(&audience, &token).await.unwrap();
    assert_eq!(answer.spiffe_id, "spiffe://example.org/a");
}

#[tokio::test]
async fn token_is_refused_for_another_audience_a_broken_signature_and_after_its_end() {
    let mut bench = Bench::new().await;
    bench.entry("a", &["w"]).await;
    let token = bench.workload().jwt(&["x"], "").await.unwrap().remove(0).svid;
    let other = bench.workload().validate("y", &token).await.unwrap_err();
    assert_eq!(other.code(), Code::InvalidArgument, "{other:?}");
    let (body, _) = token.rsplit_once('.').unwrap();
    let forged = bench.workload().validate("x", &format!("{body}.{}", "A".repeat(86))).await.unwrap_err();
    assert_eq!(forged.code(), Code::InvalidArgument, "{forged:?}");
    let status = bench.workload().validate("x", "a.b.c").await.unwrap_err();
    let said = "unable to parse JWT token: illegal base64 data at input byte 0";
    assert_eq!(refusal(&status), (Code::InvalidArgument, said));
    let status = bench.workload().validate("", &token).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::InvalidArgument, "audience must be specified"));
    let status = bench.workload().validate("x", "").await.unwrap_err();
    assert_eq!(refusal(&status), (Code::InvalidArgument, "svid must be specified"));
    bench.pass(Duration::from_mins(7)).await;
    let late = bench.workload().validate("x", &token).await.unwrap_err();
    assert_eq!(late.code(), Code::InvalidArgument, "{late:?}");
}

#[tokio::test]
async fn claims_of_foreign_tokens_are_cut_to_what_is_allowed() {
    for (allowed, expected) in [(vec![], vec!["aud", "exp", "sub"]), (vec!["iat"], vec!["aud", "exp", "iat", "sub"])] {
        let allowed: Vec<String> = allowed.into_iter().map(str::to_owned).collect();
        let mut bench = Bench::with(|settings| settings.allowed_foreign_jwt_claims = allowed).await;
        let (foreign, bundle) = foreign_bundle(&bench).await;
        let mut id = spiffe_id("/far");
        id.trust_domain = "other.test".to_owned();
        let request = MintJwtsvidRequest { id: Some(id), audience: vec!["x".to_owned()], ttl: 300 };
        let token = foreign.operator().mint_jwt(request).await.unwrap().svid.unwrap().token;
        bench.operator().federate(bundle).await;
        let mut near = entry("a", &["w"]);
        near.federates_with = vec!["other.test".to_owned()];
        bench.operator().create(near).await;
        bench.settle().await;
        let answer = bench.workload().validate("x", &token).await.unwrap();
        assert_eq!(answer.spiffe_id, "spiffe://other.test/far");
        assert_eq!(names(&answer), expected);
        bench.labels.set(&["nobody"]);
        let status = bench.workload().validate("x", &token).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "only who federates may verify");
        foreign.stop().await;
    }
}
