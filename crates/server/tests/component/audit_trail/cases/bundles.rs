//! The Bundle service.

use serde_json::json;
use steeple_net::Answers;
use steeple_proto::spire::api::server::bundle::v1 as pb;

use super::unimplemented;
use crate::audit_trail::every_rpc::{Left, Rig, by_local, by_svid};
use crate::federated_bundles::bundle;
use crate::peer::Authority;
use crate::publish_jwt_authority::key;

const OTHER: &str = "other.example";

pub(super) async fn case<A: Answers>(name: &str, rig: &Rig<A>) -> Option<Vec<Left>> {
    let mut local = rig.local.bundle();
    if !matches!(name, "BatchCreateFederatedBundle" | "BatchSetFederatedBundle") {
        let request = pb::BatchCreateFederatedBundleRequest { bundle: vec![bundle(OTHER)], output_mask: None };
        local.batch_create_federated_bundle(request).await.unwrap();
    }
    rig.begin();
    let other = json!({ "trust_domain_id": "other.example" });
    let of_batch = |count: usize, event| {
        assert_eq!(count, 1);
        by_local(event, other.clone())
    };
    Some(match name {
        "GetBundle" => {
            rig.anonymous.bundle().get_bundle(pb::GetBundleRequest::default()).await.unwrap();
            Vec::new()
        }
        "CountBundles" => {
            local.count_bundles(pb::CountBundlesRequest::default()).await.unwrap();
            Vec::new()
        }
        "ListFederatedBundles" => {
            local.list_federated_bundles(pb::ListFederatedBundlesRequest::default()).await.unwrap();
            Vec::new()
        }
        "GetFederatedBundle" => {
            let request = pb::GetFederatedBundleRequest { trust_domain: OTHER.to_owned(), output_mask: None };
            rig.agent.bundle().get_federated_bundle(request).await.unwrap();
            Vec::new()
        }
        "AppendBundle" => {
            let asn1 = Authority::of("example.org").certificate;
            let x509_authorities =
                vec![steeple_proto::spire::api::types::X509Certificate { asn1, ..Default::default() }];
            local.append_bundle(pb::AppendBundleRequest { x509_authorities, ..Default::default() }).await.unwrap();
            by_local("bundle_appended", json!({ "trust_domain_id": "example.org" }))
        }
        "PublishJWTAuthority" => {
            let request = pb::PublishJwtAuthorityRequest { jwt_authority: Some(key("below")) };
            rig.downstream.bundle().publish_jwt_authority(request).await.unwrap();
            by_svid("jwt_key_published", "/server", json!({ "authority_id": "below" }))
        }
        "PublishWITAuthority" => {
            let request = pb::PublishWitAuthorityRequest::default();
            unimplemented(rig.downstream.bundle().publish_wit_authority(request).await)
        }
        "BatchCreateFederatedBundle" => {
            let request = pb::BatchCreateFederatedBundleRequest { bundle: vec![bundle(OTHER)], output_mask: None };
            let made = local.batch_create_federated_bundle(request).await.unwrap().into_inner();
            of_batch(made.results.len(), "bundle_created")
        }
        "BatchUpdateFederatedBundle" => {
            let bundle = vec![bundle(OTHER)];
            let request = pb::BatchUpdateFederatedBundleRequest { bundle, ..Default::default() };
            let made = local.batch_update_federated_bundle(request).await.unwrap().into_inner();
            of_batch(made.results.len(), "bundle_updated")
        }
        "BatchSetFederatedBundle" => {
            let request = pb::BatchSetFederatedBundleRequest { bundle: vec![bundle(OTHER)], output_mask: None };
            let made = local.batch_set_federated_bundle(request).await.unwrap().into_inner();
            of_batch(made.results.len(), "bundle_set")
        }
        "BatchDeleteFederatedBundle" => {
            let request = pb::BatchDeleteFederatedBundleRequest { mode: 0, trust_domains: vec![OTHER.to_owned()] };
            let made = local.batch_delete_federated_bundle(request).await.unwrap().into_inner();
            assert_eq!(made.results.len(), 1);
            by_local("bundle_deleted", json!({ "trust_domain_id": "other.example", "mode": "RESTRICT" }))
        }
        _ => return None,
    })
}
