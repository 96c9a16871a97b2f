use serde_json::{Value, json};
use steeple_k8s::fake::{FakeApiServer, Known, Refusal};
use steeple_plugin::BundlePublisher;

use super::*;
use crate::testing::bundle;

const PATH: &str = "/api/v1/namespaces/steeple/configmaps/steeple-bundle";

async fn api() -> FakeApiServer {
    FakeApiServer::start(Known::default()).await.unwrap()
}

fn config_map(api: &FakeApiServer, format: Format) -> BundleConfigMap {
    BundleConfigMap {
        format,
        namespace: "steeple".into(),
        name: "steeple-bundle".into(),
        key: "bundle.crt".into(),
        api_server: api.api_server(),
        refresh_hint: None,
    }
}

async fn publisher(clusters: &[(&str, BundleConfigMap)]) -> K8sConfigMap {
    let clusters = clusters.iter().map(|(id, cluster)| ((*id).to_owned(), cluster.clone()));
    K8sConfigMap::new(clusters).await.unwrap()
}

fn published(api: &FakeApiServer) -> String {
    api.known(|known| {
        let found = known.objects.at(PATH).map(|map| map["data"]["bundle.crt"].clone());
        found.unwrap_or_default().as_str().unwrap_or_default().to_owned()
    })
}

#[tokio::test]
async fn bundle_stands_in_the_configmap_in_each_format() {
    let bundle = bundle(2);
    for format in [Format::Pem, Format::Spiffe, Format::Jwks] {
        let api = api().await;
        publisher(&[("one", config_map(&api, format))]).await.publish_bundle(&bundle).await.unwrap();
        let text = published(&api);
        if format == Format::Pem {
            let certificates = steeple_crypto::pem::certificates(&text).unwrap();
            assert_eq!(certificates, bundle.x509_authorities.iter().map(|a| a.certificate.clone()).collect::<Vec<_>>());
            continue;
        }
        let document: Value = serde_json::from_str(&text).unwrap();
        let keys = document["keys"].as_array().unwrap();
        let uses: Vec<_> = keys.iter().map(|key| key["use"].as_str()).collect();
        if format == Format::Spiffe {
            assert_eq!(uses, [Some("x509-svid"), Some("x509-svid"), Some("jwt-svid")]);
            assert_eq!((&document["spiffe_sequence"], &document["spiffe_refresh_hint"]), (&json!(7), &json!(300)));
        } else {
            assert_eq!(uses, [None; 3]);
            assert_eq!(document.as_object().unwrap().len(), 1, "nothing of SPIFFE's own: {text}");
            assert_eq!((keys[2]["kid"].as_str(), keys[0]["x5c"].as_array().unwrap().len()), (Some("k1"), 1));
        }
    }
}

#[tokio::test]
async fn refresh_hint_of_the_configuration_outweighs_that_of_the_bundle() {
    let api = api().await;
    let map = BundleConfigMap { refresh_hint: Some(60), ..config_map(&api, Format::Spiffe) };
    publisher(&[("one", map)]).await.publish_bundle(&bundle(1)).await.unwrap();
    assert!(published(&api).contains("\"spiffe_refresh_hint\":60"), "{}", published(&api));
}

#[tokio::test]
async fn other_keys_of_the_configmap_stay() {
    let api = api().await;
    api.known(|known| known.objects.put(PATH, json!({"data": {"other": "stays"}})));
    publisher(&[("one", config_map(&api, Format::Pem))]).await.publish_bundle(&bundle(1)).await.unwrap();
    let other = api.known(|known| known.objects.at(PATH).unwrap()["data"]["other"].clone());
    assert_eq!((other, published(&api).is_empty()), (json!("stays"), false));
}

#[tokio::test]
async fn unchanged_bundle_is_not_published_again_and_what_failed_is() {
    let (one, two) = (api().await, api().await);
    let clusters = [("one", config_map(&one, Format::Pem)), ("two", config_map(&two, Format::Pem))];
    let publisher = publisher(&clusters).await;
    let refusal = Refusal { verb: "patch", path: "configmaps", status: 403, reason: "Forbidden" };
    two.known(|known| known.objects.refusals.push(refusal));
    let bundle = bundle(1);
    let refused = publisher.publish_bundle(&bundle).await.unwrap_err().to_string();
    let said = "bundlepublisher(k8s_configmap): failed to apply ConfigMap for cluster \"two\": refused: Forbidden";
    assert_eq!(refused, said);
    let counts = || (one.known(|known| known.objects.count("patch")), two.known(|known| known.objects.count("patch")));
    assert_eq!(counts(), (1, 1), "a cluster that refuses is in nobody's way");
    for _ in 0..2 {
        publisher.publish_bundle(&bundle).await.unwrap();
    }
    assert_eq!(counts(), (1, 2));
    publisher.publish_bundle(&self::bundle(2)).await.unwrap();
    assert_eq!(counts(), (2, 3));
}

#[tokio::test]
async fn key_that_somebody_else_keeps_is_not_taken() {
    let api = api().await;
    let first = publisher(&[("one", config_map(&api, Format::Pem))]).await;
    first.publish_bundle(&bundle(1)).await.unwrap();
    let manager = api.known(|known| known.objects.requests[0].manager.clone());
    assert_eq!(manager, "spire-bundlepublisher-k8s_configmap", "SPIRE's, to go on where it stopped");
    api.known(|known| {
        known.objects.delete(PATH);
        known.objects.put(PATH, json!({"data": {"bundle.crt": "mine"}}));
        known.objects.own(PATH, "somebody");
    });
    let said = first.publish_bundle(&bundle(2)).await.unwrap_err().to_string();
    assert!(said.contains("conflict with \"somebody\": .data.bundle.crt"), "{said}");
    assert_eq!(published(&api), "mine");
}

#[tokio::test]
async fn kubeconfig_that_is_not_there_is_told_at_once() {
    let api = api().await;
    let api_server = ApiServer::Kubeconfig("/nonexistent".into());
    let map = BundleConfigMap { api_server, ..config_map(&api, Format::Pem) };
    let said = K8sConfigMap::new([("one".to_owned(), map)]).await.err().unwrap().to_string();
    assert!(said.contains("failed to create Kubernetes client for cluster \"one\": "), "{said}");
    assert!(said.contains("/nonexistent"), "{said}");
}
