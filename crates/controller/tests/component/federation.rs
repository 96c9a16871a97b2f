//! Federation relationships follow ClusterFederatedTrustDomains; those of others stay.

use serde_json::json;
use steeple_proto::spire::api::server::trustdomain::v1 as pb;
use steeple_proto::spire::api::server::trustdomain::v1::trust_domain_client::TrustDomainClient;
use steeple_proto::spire::api::types;

use crate::bench::Bench;

fn path(name: &str) -> String {
    format!("/apis/spire.spiffe.io/v1alpha1/clusterfederatedtrustdomains/{name}")
}

fn put(bench: &Bench, name: &str, url: &str) {
    let spec = json!({"trustDomain": name, "bundleEndpointURL": url, "bundleEndpointProfile": {"type": "https_web"}});
    bench.put(&path(name), json!({"metadata": {}, "spec": spec}));
}

async fn listed(bench: &Bench) -> Vec<(String, String)> {
    let mut client = TrustDomainClient::new(steeple_client::connect_unix(&bench.socket()));
    let listed = client.list_federation_relationships(pb::ListFederationRelationshipsRequest::default()).await.unwrap();
    let relationships = listed.into_inner().federation_relationships.into_iter();
    let mut listed: Vec<(String, String)> =
        relationships.map(|has| (has.trust_domain, has.bundle_endpoint_url)).collect();
    listed.sort();
    listed
}

async fn create(bench: &Bench, name: &str, url: &str) {
    let profile = types::federation_relationship::BundleEndpointProfile::HttpsWeb(types::HttpsWebProfile {});
    let relationship = types::FederationRelationship {
        trust_domain: name.to_owned(),
        bundle_endpoint_url: url.to_owned(),
        bundle_endpoint_profile: Some(profile),
        trust_domain_bundle: None,
    };
    let mut client = TrustDomainClient::new(steeple_client::connect_unix(&bench.socket()));
    let request = pb::BatchCreateFederationRelationshipRequest {
        federation_relationships: vec![relationship],
        output_mask: None,
    };
    client.batch_create_federation_relationship(request).await.unwrap();
}

fn ready(status: &serde_json::Value, holds: &str) -> bool {
    status["conditions"][1]["status"] == holds
}

#[tokio::test]
async fn relationships_follow_objects_and_those_of_others_stay() {
    let bench = Bench::new().await;
    let server = bench.server().await;
    create(&bench, "manual.example", "https://manual.example/b").await;
    create(&bench, "taken.example", "https://taken.example/b").await;
    create(&bench, "other.example", "https://else.example/b").await;
    put(&bench, "new.example", "https://new.example/b");
    put(&bench, "taken.example", "https://taken.example/b");
    put(&bench, "other.example", "https://other.example/b");
    let controller = bench.controller();
    bench.status(&path("new.example"), |status| ready(status, "True")).await;
    bench.status(&path("taken.example"), |status| ready(status, "True")).await;
    let conflict = bench.status(&path("other.example"), |status| ready(status, "False")).await;
    assert_eq!(conflict["conditions"][1]["reason"], "RelationshipFailures");
    put(&bench, "taken.example", "https://moved.example/b");
    bench.called("BatchUpdateFederationRelationship", 1).await;
    controller.stop().await;
    bench.api.known(|known| known.objects.delete(&path("new.example")));
    bench.api.known(|known| known.objects.delete(&path("other.example")));
    let controller = bench.controller();
    bench.called("BatchDeleteFederationRelationship", 1).await;
    let has = |name: &str, url: &str| (name.to_owned(), url.to_owned());
    assert_eq!(
        listed(&bench).await,
        [
            has("manual.example", "https://manual.example/b"),
            has("other.example", "https://else.example/b"),
            has("taken.example", "https://moved.example/b"),
        ],
        "made by this controller before it ended: deleted; by others: not"
    );
    controller.stop().await;
    server.stop().await;
}
