//! `MintJWTSVID` and `NewJWTSVID`.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;
use steeple_proto::spire::api::server::svid::v1 as pb;
use tonic::Code;

use crate::bench::{Bench, at, refused, spiffe_id};

fn part(token: &str, at: usize) -> Value {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn token_of_an_entry_says_what_the_entry_says() {
    let bench = Bench::new().await;
    let agent = bench.agent().await;
    let entry_id = bench.entry(&agent.id, "/w").await.id;
    let ask = async |entry_id: &str, audience: &[&str]| {
        let audience = audience.iter().map(|name| (*name).to_owned()).collect();
        let request = pb::NewJwtsvidRequest { entry_id: entry_id.to_owned(), audience };
        bench.remote(&agent.chain).svid().new_jwtsvid(request).await.map(|answer| answer.into_inner().svid.unwrap())
    };
    let svid = ask(&entry_id, &["one"]).await.unwrap();
    assert_eq!(
        (svid.id, svid.issued_at, svid.expires_at),
        (Some(spiffe_id("/w")), at(0).as_second(), at(300).as_second())
    );
    let (header, claims) = (part(&svid.token, 0), part(&svid.token, 1));
    assert_eq!((header["alg"].as_str(), header["typ"].as_str()), (Some("ES256"), Some("JWT")));
    assert_eq!(claims["aud"], Value::from(vec!["one"]));
    assert_eq!(
        (claims["sub"].as_str(), claims["exp"].as_i64()),
        (Some("spiffe://example.org/w"), Some(at(300).as_second()))
    );
    assert_eq!(claims.get("jti"), None);
    let text = "entry not found or not authorized".to_owned();
    assert_eq!(refused(ask("nobody", &["one"]).await), (Code::NotFound, text));
    let text = "at least one audience is required".to_owned();
    assert_eq!(refused(ask(&entry_id, &[]).await), (Code::InvalidArgument, text));
}

#[tokio::test]
async fn without_an_audit_record_no_token_is_signed() {
    let bench = Bench::new().await;
    let agent = bench.agent().await;
    let entry_id = bench.entry(&agent.id, "/w").await.id;
    bench.recorded.broken.store(true, std::sync::atomic::Ordering::Relaxed);
    let request = pb::NewJwtsvidRequest { entry_id, audience: vec!["a".to_owned()] };
    let (code, text) = refused(bench.remote(&agent.chain).svid().new_jwtsvid(request).await);
    assert_eq!((code, text.starts_with("failed to sign JWT-SVID: ")), (Code::Internal, true), "{text}");
}

#[tokio::test]
async fn administrator_mints_for_any_workload_id() {
    let bench = Bench::new().await;
    let mint = async |path: &str| {
        let request = pb::MintJwtsvidRequest { id: Some(spiffe_id(path)), audience: vec!["a".to_owned()], ttl: 60 };
        bench.local().svid().mint_jwtsvid(request).await.map(|answer| answer.into_inner().svid.unwrap())
    };
    assert_eq!(mint("/any").await.unwrap().expires_at, at(60).as_second());
    let (code, text) = refused(mint("/spire/agent/x").await);
    assert_eq!((code, text.starts_with("invalid SPIFFE ID: ")), (Code::InvalidArgument, true), "{text}");
}

#[tokio::test]
async fn disabled_functions_say_so() {
    let bench = Bench::with(|settings| settings.jwt_enabled = false).await;
    let request = pb::MintJwtsvidRequest { id: Some(spiffe_id("/w")), audience: vec!["a".to_owned()], ttl: 0 };
    let text = "JWT functionality is disabled".to_owned();
    assert_eq!(refused(bench.local().svid().mint_jwtsvid(request).await), (Code::Unimplemented, text));
    let text = "WIT functionality is disabled".to_owned();
    let mint = bench.local().svid().mint_witsvid(pb::MintWitsvidRequest::default()).await;
    assert_eq!(refused(mint), (Code::Unimplemented, text));
}
