//! The LocalAuthority service.

use serde_json::json;
use steeple_net::Answers;
use steeple_proto::spire::api::server::localauthority::v1 as pb;

use super::unimplemented;
use crate::audit_trail::every_rpc::{Left, Rig, by_local};
use crate::upstream_authority::new_root;

pub(super) async fn case<A: Answers>(name: &str, rig: &Rig<A>) -> Option<Vec<Left>> {
    if name.contains("WIT") {
        return wit(name, rig).await;
    }
    if name.contains("Upstream") {
        return upstream(name, rig).await;
    }
    if name.contains("JWT") { jwt(name, rig).await } else { x509(name, rig).await }
}

fn left(event: &'static str, kind: &str, id: &str) -> Vec<Left> {
    by_local(event, json!({ "authority_type": kind, "authority_id": id }))
}

async fn x509<A: Answers>(name: &str, rig: &Rig<A>) -> Option<Vec<Left>> {
    let mut service = rig.local.local_authority();
    if name == "GetX509AuthorityState" {
        rig.begin();
        service.get_x509_authority_state(pb::GetX509AuthorityStateRequest {}).await.unwrap();
        return Some(Vec::new());
    }
    rig.begin();
    let prepared = service.prepare_x509_authority(pb::PrepareX509AuthorityRequest {}).await.unwrap();
    let prepared = prepared.into_inner().prepared_authority.unwrap().authority_id;
    if name == "PrepareX509Authority" {
        return Some(left("authority_prepared", "x509", &prepared));
    }
    rig.begin();
    let request = pb::ActivateX509AuthorityRequest { authority_id: prepared.clone() };
    service.activate_x509_authority(request).await.unwrap();
    if name == "ActivateX509Authority" {
        return Some(left("authority_activated", "x509", &prepared));
    }
    let state = service.get_x509_authority_state(pb::GetX509AuthorityStateRequest {}).await.unwrap();
    let old = state.into_inner().old.unwrap().authority_id;
    rig.begin();
    service.taint_x509_authority(pb::TaintX509AuthorityRequest { authority_id: old.clone() }).await.unwrap();
    if name == "TaintX509Authority" {
        return Some(left("authority_tainted", "x509", &old));
    }
    rig.begin();
    service.revoke_x509_authority(pb::RevokeX509AuthorityRequest { authority_id: old.clone() }).await.unwrap();
    (name == "RevokeX509Authority").then(|| left("authority_revoked", "x509", &old))
}

async fn jwt<A: Answers>(name: &str, rig: &Rig<A>) -> Option<Vec<Left>> {
    let mut service = rig.local.local_authority();
    if name == "GetJWTAuthorityState" {
        rig.begin();
        service.get_jwt_authority_state(pb::GetJwtAuthorityStateRequest {}).await.unwrap();
        return Some(Vec::new());
    }
    rig.begin();
    let prepared = service.prepare_jwt_authority(pb::PrepareJwtAuthorityRequest {}).await.unwrap();
    let prepared = prepared.into_inner().prepared_authority.unwrap().authority_id;
    if name == "PrepareJWTAuthority" {
        return Some(left("authority_prepared", "jwt", &prepared));
    }
    rig.begin();
    let request = pb::ActivateJwtAuthorityRequest { authority_id: prepared.clone() };
    service.activate_jwt_authority(request).await.unwrap();
    if name == "ActivateJWTAuthority" {
        return Some(left("authority_activated", "jwt", &prepared));
    }
    let state = service.get_jwt_authority_state(pb::GetJwtAuthorityStateRequest {}).await.unwrap();
    let old = state.into_inner().old.unwrap().authority_id;
    rig.begin();
    service.taint_jwt_authority(pb::TaintJwtAuthorityRequest { authority_id: old.clone() }).await.unwrap();
    if name == "TaintJWTAuthority" {
        return Some(left("authority_tainted", "jwt", &old));
    }
    rig.begin();
    service.revoke_jwt_authority(pb::RevokeJwtAuthorityRequest { authority_id: old.clone() }).await.unwrap();
    (name == "RevokeJWTAuthority").then(|| left("authority_revoked", "jwt", &old))
}

/// The root in the files is replaced, and then tainted and revoked.
async fn upstream<A: Answers>(name: &str, rig: &Rig<A>) -> Option<Vec<Left>> {
    let mut service = rig.local.local_authority();
    new_root(rig.files.path(), "SECOND");
    let prepared = service.prepare_x509_authority(pb::PrepareX509AuthorityRequest {}).await.unwrap();
    let authority_id = prepared.into_inner().prepared_authority.unwrap().authority_id;
    service.activate_x509_authority(pb::ActivateX509AuthorityRequest { authority_id }).await.unwrap();
    rig.begin();
    let subject_key_id = rig.root.clone();
    let request = pb::TaintX509UpstreamAuthorityRequest { subject_key_id: subject_key_id.clone() };
    service.taint_x509_upstream_authority(request).await.unwrap();
    if name == "TaintX509UpstreamAuthority" {
        return Some(left("authority_tainted", "x509", &rig.root));
    }
    rig.begin();
    let request = pb::RevokeX509UpstreamAuthorityRequest { subject_key_id };
    service.revoke_x509_upstream_authority(request).await.unwrap();
    (name == "RevokeX509UpstreamAuthority").then(|| left("authority_revoked", "x509", &rig.root))
}

async fn wit<A: Answers>(name: &str, rig: &Rig<A>) -> Option<Vec<Left>> {
    let mut service = rig.local.local_authority();
    rig.begin();
    Some(match name {
        "GetWITAuthorityState" => {
            unimplemented(service.get_wit_authority_state(pb::GetWitAuthorityStateRequest::default()).await)
        }
        "PrepareWITAuthority" => {
            unimplemented(service.prepare_wit_authority(pb::PrepareWitAuthorityRequest::default()).await)
        }
        "ActivateWITAuthority" => {
            unimplemented(service.activate_wit_authority(pb::ActivateWitAuthorityRequest::default()).await)
        }
        "TaintWITAuthority" => {
            unimplemented(service.taint_wit_authority(pb::TaintWitAuthorityRequest::default()).await)
        }
        "RevokeWITAuthority" => {
            unimplemented(service.revoke_wit_authority(pb::RevokeWitAuthorityRequest::default()).await)
        }
        _ => return None,
    })
}
