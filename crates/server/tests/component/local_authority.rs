//! The LocalAuthority service of a server that signs its own CA.

use std::time::Duration;

use steeple_audit::EventKind;
use steeple_crypto::x509::Certificate;
use steeple_proto::spire::api::server::bundle::v1::GetBundleRequest;
use steeple_proto::spire::api::server::localauthority::v1 as pb;
use steeple_proto::spire::api::server::svid::v1::{MintJwtsvidRequest, MintX509svidRequest};
use tonic::Code;

use crate::bench::{Bench, Calls, csr, refused, serve, spiffe_id};

/// The IDs of the X.509 authorities, with whether they are tainted.
async fn x509<A: steeple_net::Answers>(calls: &Calls<A>) -> Vec<(String, bool)> {
    let bundle = calls.bundle().get_bundle(GetBundleRequest::default()).await.unwrap().into_inner();
    let id = |der: &[u8]| hex::encode(Certificate::from_der(der).unwrap().subject_key_id());
    bundle.x509_authorities.iter().map(|authority| (id(&authority.asn1), authority.tainted)).collect()
}

/// The IDs of the JWT authorities, with whether they are tainted.
async fn jwt<A: steeple_net::Answers>(calls: &Calls<A>) -> Vec<(String, bool)> {
    let bundle = calls.bundle().get_bundle(GetBundleRequest::default()).await.unwrap().into_inner();
    bundle.jwt_authorities.into_iter().map(|authority| (authority.key_id, authority.tainted)).collect()
}

/// The ID of the authority that signs X.509-SVIDs.
async fn x509_signer<A: steeple_net::Answers>(calls: &Calls<A>) -> String {
    let request = MintX509svidRequest { csr: csr(&["spiffe://example.org/w"]), ttl: 0 };
    let svid = calls.svid().mint_x509svid(request).await.unwrap().into_inner().svid.unwrap();
    hex::encode(Certificate::from_der(&svid.cert_chain[0]).unwrap().authority_key_id())
}

/// The `kid` of new JWT-SVIDs.
async fn jwt_signer<A: steeple_net::Answers>(calls: &Calls<A>) -> String {
    let request = MintJwtsvidRequest { id: Some(spiffe_id("/w")), audience: vec!["a".to_owned()], ttl: 0 };
    let token = calls.svid().mint_jwtsvid(request).await.unwrap().into_inner().svid.unwrap().token;
    steeple_crypto::jws::Token::parse(&token).unwrap().key_id().to_owned()
}

#[tokio::test]
async fn x509_authority_is_prepared_activated_tainted_and_revoked() {
    let bench = Bench::new().await;
    let calls = bench.local();
    let drive = async {
        let mut service = calls.local_authority();
        let first = x509_signer(&calls).await;
        let state = service.get_x509_authority_state(pb::GetX509AuthorityStateRequest {}).await.unwrap().into_inner();
        assert_eq!((state.active.unwrap().authority_id, state.prepared, state.old), (first.clone(), None, None));

        let prepared = service.prepare_x509_authority(pb::PrepareX509AuthorityRequest {}).await.unwrap();
        let prepared = prepared.into_inner().prepared_authority.unwrap();
        let second = prepared.authority_id.clone();
        let state = service.get_x509_authority_state(pb::GetX509AuthorityStateRequest {}).await.unwrap().into_inner();
        assert_eq!((state.prepared.as_ref(), state.old.as_ref()), (Some(&prepared), None));
        assert_eq!(x509(&calls).await, [(first.clone(), false), (second.clone(), false)]);
        assert_eq!(x509_signer(&calls).await, first);

        let request = pb::ActivateX509AuthorityRequest { authority_id: second.clone() };
        let activated = service.activate_x509_authority(request).await.unwrap().into_inner();
        assert_eq!(activated.activated_authority, Some(prepared));
        assert_eq!(x509_signer(&calls).await, second);

        let request = pb::TaintX509AuthorityRequest { authority_id: first.clone() };
        let tainted = service.taint_x509_authority(request.clone()).await.unwrap().into_inner().tainted_authority;
        let state = service.get_x509_authority_state(pb::GetX509AuthorityStateRequest {}).await.unwrap().into_inner();
        assert_eq!((tainted, state.prepared), (state.old, None));
        assert_eq!(x509(&calls).await, [(first.clone(), true), (second.clone(), false)]);
        let twice = refused(service.taint_x509_authority(request).await);
        let text = "failed to taint X.509 authority: root CA is already tainted";
        assert_eq!(twice, (Code::Internal, text.to_owned()));

        let request = pb::RevokeX509AuthorityRequest { authority_id: first.clone() };
        let revoked = service.revoke_x509_authority(request.clone()).await.unwrap().into_inner().revoked_authority;
        assert_eq!(revoked, Some(pb::AuthorityState { authority_id: first, ..Default::default() }));
        assert_eq!(x509(&calls).await, [(second, false)]);
        let twice = refused(service.revoke_x509_authority(request).await);
        let text = "failed to revoke X.509 authority: no root CA found with provided subject key ID";
        assert_eq!(twice, (Code::Internal, text.to_owned()));
    };
    serve(bench.server, drive).await;
}

#[tokio::test]
async fn jwt_authority_is_prepared_activated_tainted_and_revoked() {
    let bench = Bench::new().await;
    let calls = bench.local();
    let drive = async {
        let mut service = calls.local_authority();
        let first = jwt_signer(&calls).await;
        let prepared = service.prepare_jwt_authority(pb::PrepareJwtAuthorityRequest {}).await.unwrap();
        let second = prepared.into_inner().prepared_authority.unwrap().authority_id;
        assert_eq!(jwt_signer(&calls).await, first);
        let request = pb::ActivateJwtAuthorityRequest { authority_id: second.clone() };
        service.activate_jwt_authority(request).await.unwrap();
        assert_eq!(jwt_signer(&calls).await, second);
        let state = service.get_jwt_authority_state(pb::GetJwtAuthorityStateRequest {}).await.unwrap().into_inner();
        let id = |state: Option<pb::AuthorityState>| state.map(|state| state.authority_id);
        assert_eq!((id(state.active), id(state.old)), (Some(second.clone()), Some(first.clone())));
        let only_id = Some(pb::AuthorityState { authority_id: first.clone(), ..Default::default() });
        let request = pb::TaintJwtAuthorityRequest { authority_id: first.clone() };
        let tainted = service.taint_jwt_authority(request).await.unwrap().into_inner();
        assert_eq!(tainted.tainted_authority, only_id);
        assert_eq!(jwt(&calls).await, [(first.clone(), true), (second.clone(), false)]);
        let request = pb::RevokeJwtAuthorityRequest { authority_id: first };
        let revoked = service.revoke_jwt_authority(request).await.unwrap().into_inner();
        assert_eq!(revoked.revoked_authority, only_id);
        assert_eq!(jwt(&calls).await, [(second, false)]);
    };
    serve(bench.server, drive).await;
}

#[tokio::test]
async fn requests_that_do_not_fit_are_refused_in_the_words_of_spire() {
    let bench = Bench::new().await;
    let calls = bench.local();
    let drive = async {
        let mut service = calls.local_authority();
        let active = x509_signer(&calls).await;
        let malformed = |text: &str| (Code::InvalidArgument, text.to_owned());
        let activate = pb::ActivateX509AuthorityRequest::default();
        assert_eq!(refused(service.activate_x509_authority(activate).await), malformed("no authority ID provided"));
        let taint = pb::TaintX509AuthorityRequest { authority_id: active };
        let text = "unable to taint current local authority";
        assert_eq!(refused(service.taint_x509_authority(taint).await), malformed(text));
        let revoke = pb::RevokeX509AuthorityRequest { authority_id: "nope".to_owned() };
        let text = "invalid authority ID: only Old local authority can be revoked";
        assert_eq!(refused(service.revoke_x509_authority(revoke).await), malformed(text));
        let revoke = pb::RevokeJwtAuthorityRequest { authority_id: "nope".to_owned() };
        let text = "invalid authority ID: no JWT authority found with provided authority ID";
        assert_eq!(refused(service.revoke_jwt_authority(revoke).await), malformed(text));
        let unfit = (Code::FailedPrecondition, "upstream authority is not configured".to_owned());
        let taint = pb::TaintX509UpstreamAuthorityRequest { subject_key_id: "nope".to_owned() };
        assert_eq!(refused(service.taint_x509_upstream_authority(taint).await), unfit);
        let revoke = pb::RevokeX509UpstreamAuthorityRequest { subject_key_id: "nope".to_owned() };
        assert_eq!(refused(service.revoke_x509_upstream_authority(revoke).await), unfit);
        let wit = [
            refused(service.get_wit_authority_state(pb::GetWitAuthorityStateRequest::default()).await),
            refused(service.prepare_wit_authority(pb::PrepareWitAuthorityRequest::default()).await),
            refused(service.activate_wit_authority(pb::ActivateWitAuthorityRequest::default()).await),
            refused(service.taint_wit_authority(pb::TaintWitAuthorityRequest::default()).await),
            refused(service.revoke_wit_authority(pb::RevokeWitAuthorityRequest::default()).await),
        ];
        let text = "WIT-SVID functionality is not yet implemented";
        assert!(wit.iter().all(|refusal| *refusal == (Code::Unimplemented, text.to_owned())), "{wit:?}");
    };
    serve(bench.server, drive).await;
}

#[tokio::test]
async fn without_jwt_svids_there_are_no_jwt_authorities_to_rotate() {
    let bench = Bench::with(|settings| settings.jwt_enabled = false).await;
    let mut service = bench.local().local_authority();
    let disabled = (Code::Unimplemented, "JWT functionality is disabled".to_owned());
    assert_eq!(refused(service.get_jwt_authority_state(pb::GetJwtAuthorityStateRequest {}).await), disabled);
    assert_eq!(refused(service.prepare_jwt_authority(pb::PrepareJwtAuthorityRequest {}).await), disabled);
    let request = pb::RevokeJwtAuthorityRequest::default();
    assert_eq!(refused(service.revoke_jwt_authority(request).await), disabled);
}

#[tokio::test]
async fn requests_are_recorded_with_who_made_them_and_a_record_that_fails_stops_them() {
    let bench = Bench::new().await;
    let (calls, recorded) = (bench.local(), bench.recorded.clone());
    let drive = async {
        let mut service = calls.local_authority();
        let before = x509(&calls).await;
        recorded.broken.store(true, std::sync::atomic::Ordering::Relaxed);
        let failed = refused(service.prepare_x509_authority(pb::PrepareX509AuthorityRequest {}).await);
        let text = "failed to prepare X.509 authority: audit record could not be written: no space is left";
        assert_eq!(failed, (Code::Internal, text.to_owned()));
        assert_eq!(x509(&calls).await, before);
        recorded.broken.store(false, std::sync::atomic::Ordering::Relaxed);
        service.prepare_x509_authority(pb::PrepareX509AuthorityRequest {}).await.unwrap();
        let is_prepared = |kind: &EventKind| matches!(kind, EventKind::AuthorityPrepared { kind: "x509", .. });
        assert_eq!(recorded.kinds().iter().filter(|kind| is_prepared(kind)).count(), 2, "the first one, and this one");
    };
    serve(bench.server, drive).await;
}

/// How often an SVID was issued to the server.
fn issued_to_server(kinds: &[EventKind]) -> usize {
    let is_server =
        |kind: &&EventKind| matches!(kind, EventKind::X509SvidIssued { id, .. } if id.path() == "/spire/server");
    kinds.iter().filter(is_server).count()
}

#[tokio::test]
async fn svid_of_the_server_is_replaced_when_its_authority_is_tainted_and_not_before() {
    let bench = Bench::new().await;
    let (calls, recorded, hand) = (bench.local(), bench.recorded.clone(), bench.hand.clone());
    let drive = async {
        let mut service = calls.local_authority();
        let first = x509_signer(&calls).await;
        let prepared = service.prepare_x509_authority(pb::PrepareX509AuthorityRequest {}).await.unwrap();
        let second = prepared.into_inner().prepared_authority.unwrap().authority_id;
        let request = pb::ActivateX509AuthorityRequest { authority_id: second };
        service.activate_x509_authority(request).await.unwrap();
        let pass = async || {
            // The job sleeps again once it has looked.
            hand.wait_for_sleepers(9).await;
            hand.advance(Duration::from_secs(6));
            hand.wait_for_sleepers(9).await;
        };
        pass().await;
        pass().await;
        assert_eq!(issued_to_server(&recorded.kinds()), 1);
        service.taint_x509_authority(pb::TaintX509AuthorityRequest { authority_id: first }).await.unwrap();
        // Long before half of its life.
        for _ in 0..20 {
            if issued_to_server(&recorded.kinds()) == 1 {
                pass().await;
                tokio::task::yield_now().await;
            }
        }
        pass().await;
        pass().await;
        assert_eq!(issued_to_server(&recorded.kinds()), 2, "the new one is not tainted");
    };
    serve(bench.server, drive).await;
}
