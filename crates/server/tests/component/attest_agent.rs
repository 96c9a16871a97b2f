//! `AttestAgent`.

use steeple_audit::EventKind;
use steeple_proto::spire::api::server::agent::v1 as pb;
use tonic::Code;

use crate::bench::{Bench, at, attest_request, csr, refused, serial_of, spiffe_id};

async fn token(bench: &Bench, ttl: i32) -> String {
    let request = pb::CreateJoinTokenRequest { ttl, ..Default::default() };
    bench.local().agent().create_join_token(request).await.unwrap().into_inner().value
}

#[tokio::test]
async fn join_token_gives_an_agent_its_svid_and_is_used_up() {
    let bench = Bench::new().await;
    let token = token(&bench, 60).await;
    let svid = bench.attest(&token).await.unwrap();
    assert_eq!(svid.id, Some(spiffe_id(&format!("/spire/agent/join_token/{token}"))));
    assert_eq!((svid.expires_at, svid.cert_chain.len()), (at(3600).as_second(), 1));

    let request = pb::GetAgentRequest { id: svid.id.clone(), output_mask: None };
    let agent = bench.local().agent().get_agent(request).await.unwrap().into_inner();
    assert_eq!((agent.attestation_type.as_str(), agent.can_reattest, agent.banned), ("join_token", false, false));
    assert_eq!(agent.x509svid_serial_number, serial_of(&svid.cert_chain));
    assert_eq!(agent.x509svid_expires_at, svid.expires_at);
    assert!(bench.recorded.kinds().iter().any(|kind| matches!(kind, EventKind::AgentAttested { .. })));

    let again = "failed to attest: join token does not exist or has already been used".to_owned();
    assert_eq!(refused(bench.attest(&token).await), (Code::InvalidArgument, again));
}

/// Its answer may have been lost, with the connection or with the agent.
#[tokio::test]
async fn same_agent_may_ask_again_with_its_key_but_nobody_else() {
    let bench = Bench::new().await;
    let token = token(&bench, 60).await;
    let request = attest_request("join_token", token.as_bytes(), csr(&[]));
    let first = bench.attest_with(request.clone()).await.unwrap();
    let second = bench.attest_with(request.clone()).await.unwrap();
    assert_eq!(second.id, first.id);
    assert_ne!(serial_of(&second.cert_chain), serial_of(&first.cert_chain));
    assert!(refused(bench.attest(&token).await).1.ends_with("already been used"), "another key");

    let evict = pb::DeleteAgentRequest { id: first.id };
    bench.local().agent().delete_agent(evict).await.unwrap();
    assert!(refused(bench.attest_with(request).await).1.ends_with("already been used"), "evicted since");
}

#[tokio::test]
async fn expired_token_is_refused_and_used_up() {
    let bench = Bench::new().await;
    let token = token(&bench, 60).await;
    bench.hand.advance(std::time::Duration::from_secs(61));
    assert_eq!(refused(bench.attest(&token).await), (Code::InvalidArgument, "join token expired".to_owned()));
    assert!(refused(bench.attest(&token).await).1.ends_with("already been used"));
}

#[tokio::test]
async fn malformed_beginnings_are_refused_by_name() {
    let bench = Bench::new().await;
    let whole = attest_request("join_token", b"t", csr(&[]));
    let attempt = async |request: pb::AttestAgentRequest| {
        let answer = bench.remote(&[]).agent().attest_agent(tokio_stream::iter([request])).await;
        match answer {
            Ok(mut answer) => refused(answer.get_mut().message().await),
            Err(status) => (status.code(), status.message().to_owned()),
        }
    };
    let broken = |change: fn(&mut pb::attest_agent_request::Params)| {
        let mut request = whole.clone();
        if let Some(pb::attest_agent_request::Step::Params(params)) = &mut request.step {
            change(params);
        }
        request
    };
    for (request, text) in [
        (pb::AttestAgentRequest { step: None }, "malformed param: missing params"),
        (broken(|params| params.data = None), "malformed param: missing attestation data"),
        (broken(|params| params.params = None), "malformed param: missing X509-SVID parameters"),
        (broken(|params| params.params.as_mut().unwrap().csr.clear()), "malformed param: missing CSR"),
        (
            broken(|params| params.data.as_mut().unwrap().r#type.clear()),
            "malformed param: missing attestation data type",
        ),
        (
            broken(|params| params.data.as_mut().unwrap().payload.clear()),
            "malformed param: missing attestation data payload",
        ),
    ] {
        assert_eq!(attempt(request).await, (Code::InvalidArgument, text.to_owned()));
    }
    let unknown = attempt(attest_request("tpm", b"t", csr(&[]))).await;
    let text = "error getting node attestor: could not find node attestor type \"tpm\"".to_owned();
    assert_eq!(unknown, (Code::FailedPrecondition, text));
    let (code, text) = attempt(attest_request("join_token", b"t", b"no csr".to_vec())).await;
    assert_eq!((code, text.starts_with("failed to parse CSR: ")), (Code::InvalidArgument, true), "{text}");
}

#[tokio::test]
async fn nothing_happens_without_an_audit_record() {
    let bench = Bench::new().await;
    let token = token(&bench, 60).await;
    bench.recorded.broken.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(refused(bench.attest(&token).await).0, Code::Internal);
    bench.recorded.broken.store(false, std::sync::atomic::Ordering::Relaxed);
    bench.attest(&token).await.unwrap();
}
