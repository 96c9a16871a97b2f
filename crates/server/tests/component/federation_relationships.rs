//! The TrustDomain service.

use steeple_proto::spire::api::server::trustdomain::v1 as pb;
use steeple_proto::spire::api::types;
use steeple_proto::spire::api::types::federation_relationship::BundleEndpointProfile;
use tonic::Code;

use crate::bench::{Bench, refused};

pub(crate) fn relationship(name: &str, url: &str) -> types::FederationRelationship {
    types::FederationRelationship {
        trust_domain: name.to_owned(),
        bundle_endpoint_url: url.to_owned(),
        bundle_endpoint_profile: Some(BundleEndpointProfile::HttpsWeb(types::HttpsWebProfile {})),
        trust_domain_bundle: None,
    }
}

async fn create(bench: &Bench, asked: types::FederationRelationship) -> (i32, String) {
    let request =
        pb::BatchCreateFederationRelationshipRequest { federation_relationships: vec![asked], output_mask: None };
    let answer = bench.local().trust_domain().batch_create_federation_relationship(request).await.unwrap();
    let status = answer.into_inner().results.remove(0).status.unwrap();
    (status.code, status.message)
}

#[tokio::test]
async fn relationships_live_from_creation_to_deletion() {
    let bench = Bench::new().await;
    let asked = relationship("other.example", "https://other.example/bundle");
    assert_eq!(create(&bench, asked.clone()).await, (0, "OK".to_owned()));
    assert_eq!(create(&bench, asked.clone()).await.0, 13, "SPIRE answers Internal to a second one");
    let get = async |name: &str| {
        let request = pb::GetFederationRelationshipRequest { trust_domain: name.to_owned(), output_mask: None };
        bench.local().trust_domain().get_federation_relationship(request).await.map(tonic::Response::into_inner)
    };
    assert_eq!(get("other.example").await.unwrap(), asked);
    let text = "federation relationship does not exist".to_owned();
    assert_eq!(refused(get("third.example").await), (Code::NotFound, text));

    let request = pb::BatchUpdateFederationRelationshipRequest {
        federation_relationships: vec![relationship("other.example", "https://other.example/new")],
        ..Default::default()
    };
    bench.local().trust_domain().batch_update_federation_relationship(request).await.unwrap();
    assert_eq!(get("other.example").await.unwrap().bundle_endpoint_url, "https://other.example/new");

    let trust_domains = vec!["other.example".to_owned(), "other.example".to_owned(), String::new()];
    let request = pb::BatchDeleteFederationRelationshipRequest { trust_domains };
    let answer = bench.local().trust_domain().batch_delete_federation_relationship(request).await.unwrap();
    let said: Vec<i32> = answer.into_inner().results.into_iter().map(|result| result.status.unwrap().code).collect();
    assert_eq!(said, [0, 5, 3]);
}

#[tokio::test]
async fn bad_relationships_are_refused_by_name() {
    let bench = Bench::new().await;
    let converting = "failed to convert federation relationship: ";
    for (asked, text) in [
        (
            relationship("other.example", "http://x"),
            format!("{converting}bundle endpoint URL must use the https scheme"),
        ),
        (
            types::FederationRelationship {
                bundle_endpoint_profile: None,
                ..relationship("other.example", "https://x")
            },
            format!("{converting}unsupported bundle endpoint profile type: <nil>"),
        ),
        (
            relationship("example.org", "https://x"),
            "unable to create federation relationship for server trust domain".to_owned(),
        ),
    ] {
        assert_eq!(create(&bench, asked).await, (3, text));
    }
}
