use steeple_k8s::fake::{FakeApiServer, Known};
use steeple_plugin::BundlePublisher;

use super::*;
use crate::testing::bundle;

const PATH: &str = "/apis/certificates.k8s.io/v1/clustertrustbundles";

async fn published(name: &str, signer: Option<&str>, bundle: &Bundle) -> Result<serde_json::Value, String> {
    let api = FakeApiServer::start(Known::default()).await.unwrap();
    let place = BundleClusterTrustBundle::new(name, signer, api.api_server()).unwrap();
    let publisher = K8sClusterTrustBundle::new([("one".to_owned(), place)]).await.unwrap();
    publisher.publish_bundle(bundle).await.map_err(|error| error.to_string())?;
    Ok(api.known(|known| known.objects.at(&format!("{PATH}/{name}")).unwrap()["spec"].clone()))
}

#[tokio::test]
async fn authorities_are_trust_anchors_each_once() {
    let mut bundle = bundle(2);
    bundle.x509_authorities.push(bundle.x509_authorities[0].clone());
    let spec = published("example.org", None, &bundle).await.unwrap();
    let anchors = pem::certificates(spec["trustBundle"].as_str().unwrap()).unwrap();
    assert_eq!(anchors, [0, 1].map(|at: usize| bundle.x509_authorities[at].certificate.clone()));
    assert!(spec["signerName"].is_null());
    let spec = published("example.org:spiffe:v1", Some("example.org/spiffe"), &bundle).await.unwrap();
    assert_eq!(spec["signerName"], "example.org/spiffe");
}

#[tokio::test]
async fn bundle_without_authorities_is_refused_with_a_reason() {
    let said = published("example.org", None, &bundle(0)).await.unwrap_err();
    assert!(said.contains("for cluster \"one\": the bundle has no X.509 authorities"), "{said}");
}

#[test]
fn names_that_an_api_server_would_refuse_are_refused_at_once() {
    let refused = |name: &str, signer: Option<&str>| {
        let made = BundleClusterTrustBundle::new(name, signer, ApiServer::InCluster);
        made.err().map(|error| error.to_string()).unwrap_or_default()
    };
    let prefix = "name \"v1\" must begin with \"example.org:spiffe:\", since signer_name is \"example.org/spiffe\"";
    assert_eq!(refused("v1", Some("example.org/spiffe")), prefix);
    assert!(refused("example.org:spiffe:", Some("example.org/spiffe")).starts_with("name \"example.org:spiffe:\""));
    assert_eq!(refused("a:b", None), "name \"a:b\" must not contain a colon, since there is no signer_name");
    for signer in ["example.org", "/spiffe", "example.org/"] {
        assert!(refused("a", Some(signer)).contains("must be of the form DOMAIN/PATH"), "{signer}");
    }
    assert_eq!(refused("example.org:spiffe:v1", Some("example.org/spiffe")), "");
}
