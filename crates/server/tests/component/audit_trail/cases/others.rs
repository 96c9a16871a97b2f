//! The services with few RPCs: Debug, Health, Logger, TrustDomain.

use serde_json::json;
use steeple_net::Answers;
use steeple_proto::grpc::health::v1 as health;
use steeple_proto::grpc::health::v1::health_client::HealthClient;
use steeple_proto::spire::api::server::debug::v1::GetInfoRequest;
use steeple_proto::spire::api::server::logger::v1 as logger;
use steeple_proto::spire::api::server::trustdomain::v1 as pb;
use steeple_proto::spire::api::types;
use steeple_proto::spire::api::types::federation_relationship::BundleEndpointProfile;
use steeple_proto::steeple::server::explain::v1 as explain;
use steeple_proto::steeple::server::explain::v1::explain_client::ExplainClient;

use super::unimplemented;
use crate::audit_trail::every_rpc::{Left, Rig, by_local};
use crate::federation_relationships::relationship;
use crate::peer::{PEER, bundle};

pub(super) async fn case<A: Answers>(method: &str, rig: &Rig<A>) -> Option<Vec<Left>> {
    if method.starts_with("/spire.api.server.trustdomain.") {
        return trust_domain(method, rig).await;
    }
    rig.begin();
    let mut logger = rig.local.logger();
    let mut health = HealthClient::new(rig.local.service());
    Some(match method {
        "/spire.api.server.debug.v1.Debug/GetInfo" => {
            rig.local.debug().get_info(GetInfoRequest {}).await.unwrap();
            Vec::new()
        }
        "/spire.api.server.logger.v1.Logger/GetLogger" => {
            logger.get_logger(logger::GetLoggerRequest {}).await.unwrap();
            Vec::new()
        }
        "/spire.api.server.logger.v1.Logger/SetLogLevel" => {
            let request = logger::SetLogLevelRequest { new_level: types::LogLevel::Debug.into() };
            logger.set_log_level(request).await.unwrap();
            by_local("log_level_set", json!({ "new_level": "debug" }))
        }
        "/spire.api.server.logger.v1.Logger/ResetLogLevel" => {
            logger.reset_log_level(logger::ResetLogLevelRequest {}).await.unwrap();
            by_local("log_level_set", json!({ "new_level": "info" }))
        }
        "/grpc.health.v1.Health/Check" => {
            health.check(health::HealthCheckRequest::default()).await.unwrap();
            Vec::new()
        }
        "/grpc.health.v1.Health/List" => unimplemented(health.list(health::HealthListRequest::default()).await),
        "/grpc.health.v1.Health/Watch" => {
            let answer = health.watch(health::HealthCheckRequest::default()).await;
            if let Ok(answer) = answer {
                answer.into_inner().message().await.unwrap();
            }
            Vec::new()
        }
        "/steeple.server.explain.v1.Explain/ExplainEntries" => {
            let selectors = rig.entry.selectors.clone();
            let request = explain::ExplainEntriesRequest { selectors, ..Default::default() };
            let explained = ExplainClient::new(rig.local.service()).explain_entries(request).await;
            assert!(!explained.unwrap().into_inner().candidates.is_empty());
            Vec::new()
        }
        _ => return None,
    })
}

async fn trust_domain<A: Answers>(method: &str, rig: &Rig<A>) -> Option<Vec<Left>> {
    let (mut local, name) = (rig.local.trust_domain(), method.rsplit('/').next().unwrap());
    let domain = || "other.example".to_owned();
    let asked = |path: &str| vec![relationship("other.example", &format!("https://other.example/{path}"))];
    let other = json!({ "trust_domain_id": "other.example" });
    match name {
        "BatchCreateFederationRelationship" => {}
        "RefreshBundle" => believe(rig).await,
        _ => {
            let federation_relationships = asked("bundle");
            let request = pb::BatchCreateFederationRelationshipRequest { federation_relationships, output_mask: None };
            local.batch_create_federation_relationship(request).await.unwrap();
        }
    }
    rig.begin();
    Some(match name {
        "ListFederationRelationships" => {
            local.list_federation_relationships(pb::ListFederationRelationshipsRequest::default()).await.unwrap();
            Vec::new()
        }
        "GetFederationRelationship" => {
            let request = pb::GetFederationRelationshipRequest { trust_domain: domain(), output_mask: None };
            local.get_federation_relationship(request).await.unwrap();
            Vec::new()
        }
        "BatchCreateFederationRelationship" => {
            let federation_relationships = asked("bundle");
            let request = pb::BatchCreateFederationRelationshipRequest { federation_relationships, output_mask: None };
            local.batch_create_federation_relationship(request).await.unwrap();
            by_local("relationship_created", other)
        }
        "BatchUpdateFederationRelationship" => {
            let federation_relationships = asked("new");
            let request =
                pb::BatchUpdateFederationRelationshipRequest { federation_relationships, ..Default::default() };
            local.batch_update_federation_relationship(request).await.unwrap();
            by_local("relationship_updated", other)
        }
        "BatchDeleteFederationRelationship" => {
            let request = pb::BatchDeleteFederationRelationshipRequest { trust_domains: vec![domain()] };
            local.batch_delete_federation_relationship(request).await.unwrap();
            by_local("relationship_deleted", other)
        }
        "RefreshBundle" => {
            local.refresh_bundle(pb::RefreshBundleRequest { trust_domain: domain() }).await.unwrap();
            by_local("bundle_refreshed", json!({ "trust_domain_id": "other.example", "sequence_number": "2" }))
        }
        _ => return None,
    })
}

/// A relationship with the peer, whose bundle has become another one since.
async fn believe<A: Answers>(rig: &Rig<A>) {
    use crate::peer::Answer;
    let known = bundle(&[&rig.peer.authority], 1);
    let certificates = known
        .x509_authorities
        .iter()
        .map(|authority| types::X509Certificate { asn1: authority.certificate.clone(), ..Default::default() });
    let asked = types::FederationRelationship {
        trust_domain: PEER.to_owned(),
        bundle_endpoint_url: rig.peer.url(),
        bundle_endpoint_profile: Some(BundleEndpointProfile::HttpsSpiffe(types::HttpsspiffeProfile {
            endpoint_spiffe_id: format!("spiffe://{PEER}/endpoint"),
        })),
        trust_domain_bundle: Some(types::Bundle {
            trust_domain: PEER.to_owned(),
            x509_authorities: certificates.collect(),
            ..Default::default()
        }),
    };
    rig.peer.answers(Answer::status("503 Service Unavailable", "", ""));
    let request =
        pb::BatchCreateFederationRelationshipRequest { federation_relationships: vec![asked], output_mask: None };
    let made = rig.local.trust_domain().batch_create_federation_relationship(request).await.unwrap().into_inner();
    assert_eq!(made.results[0].status.as_ref().unwrap().code, 0, "{made:?}");
    // The server asks by itself at once, and then not before some time has passed.
    rig.peer.was_asked(1).await;
    rig.peer.answers(Answer::bundle(&bundle(&[&rig.peer.authority], 2)));
}
