use serde_json::{Value, json};
use steeple_k8s::fake::{FakeApiServer, Known, Refusal};
use steeple_types::Bundle;

use super::*;
use crate::format::certificates;
use crate::testing::{Identity, bundle};

const CONFIG_MAP: &str = "/api/v1/namespaces/spire/configmaps/spire-bundle";
const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/";
const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/";
const SERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices/";

async fn api() -> FakeApiServer {
    let api = FakeApiServer::start(Known::default()).await.unwrap();
    api.known(|known| known.objects.put(CONFIG_MAP, json!({"data": {"other": "stays"}})));
    api
}

fn cluster(api: &FakeApiServer, label: Option<&str>) -> BundleCluster {
    BundleCluster {
        namespace: BundleCluster::DEFAULT_NAMESPACE.into(),
        config_map: BundleCluster::DEFAULT_CONFIG_MAP.into(),
        config_map_key: BundleCluster::DEFAULT_CONFIG_MAP_KEY.into(),
        webhook_label: label.map(str::to_owned),
        api_service_label: label.map(str::to_owned),
        api_server: api.api_server(),
    }
}

fn notifier(clusters: Vec<BundleCluster>) -> K8sBundle {
    K8sBundle::new(clusters, Clock::system())
}

fn webhooks(label: &str, names: &[&str]) -> Value {
    let webhooks: Vec<Value> = names
        .iter()
        .map(|name| {
            json!({"name": name, "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "clientConfig": {"url": "https://localhost/hook"}})
        })
        .collect();
    json!({"metadata": {"labels": {label: "true"}}, "webhooks": webhooks})
}

fn service() -> Value {
    json!({"metadata": {"labels": {"spiffe": "true"}},
        "spec": {"group": "g", "version": "v1", "groupPriorityMinimum": 1000, "versionPriority": 15}})
}

fn text(api: &FakeApiServer, path: &str, pointer: &str) -> String {
    let found = api.known(|known| known.objects.at(path).and_then(|object| object.pointer(pointer)).cloned());
    found.unwrap_or_default().as_str().unwrap_or_default().to_owned()
}

/// How an object carries the bundle: base64 of PEM.
fn carried(bundle: &Bundle) -> String {
    serde_json::to_value(k8s_openapi::ByteString(certificates(bundle).into_bytes()))
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn configmap_has_the_certificates_at_the_start_and_after_each_change() {
    let api = api().await;
    let (first, second) = (bundle(1), bundle(2));
    let (identity, notifier) = (Identity::of(&first), notifier(vec![cluster(&api, None)]));
    notifier.bundle_loaded(&identity).await.unwrap();
    assert_eq!(text(&api, CONFIG_MAP, "/data/bundle.crt"), certificates(&first));
    identity.set(&second);
    notifier.bundle_updated(&identity).await.unwrap();
    assert_eq!(text(&api, CONFIG_MAP, "/data/bundle.crt"), certificates(&second));
    assert_eq!(text(&api, CONFIG_MAP, "/data/other"), "stays");
    notifier.bundle_updated(&identity).await.unwrap();
    let requests = api.known(|known| (known.objects.count("get"), known.objects.count("patch")));
    assert_eq!(requests, (3, 2), "what is there is not written again");
}

#[tokio::test]
async fn webhooks_and_services_with_the_label_carry_the_certificates() {
    let api = api().await;
    api.known(|known| {
        known.objects.put(&format!("{MUTATING}m"), webhooks("spiffe", &["a", "b"]));
        known.objects.put(&format!("{MUTATING}other"), webhooks("unlike", &["a"]));
        known.objects.put(&format!("{VALIDATING}v"), webhooks("spiffe", &["a"]));
        known.objects.put(&format!("{SERVICES}v1.g"), service());
    });
    let bundle = bundle(1);
    notifier(vec![cluster(&api, Some("spiffe"))]).bundle_loaded(&Identity::of(&bundle)).await.unwrap();
    for (path, pointer) in [
        (format!("{MUTATING}m"), "/webhooks/0/clientConfig/caBundle"),
        (format!("{MUTATING}m"), "/webhooks/1/clientConfig/caBundle"),
        (format!("{VALIDATING}v"), "/webhooks/0/clientConfig/caBundle"),
        (format!("{SERVICES}v1.g"), "/spec/caBundle"),
    ] {
        assert_eq!(text(&api, &path, pointer), carried(&bundle), "{path}{pointer}");
    }
    let url = text(&api, &format!("{MUTATING}m"), "/webhooks/1/clientConfig/url");
    assert_eq!(url, "https://localhost/hook", "the rest stays");
    assert_eq!(text(&api, &format!("{MUTATING}other"), "/webhooks/0/clientConfig/caBundle"), "");
}

#[tokio::test]
async fn change_of_somebody_else_meanwhile_is_read_before_the_next_attempt() {
    let api = api().await;
    let conflict = |path| Refusal { verb: "patch", path, status: 409, reason: "Conflict" };
    api.known(|known| {
        known.objects.put(&format!("{VALIDATING}v"), webhooks("spiffe", &["a"]));
        known.objects.refusals.extend([conflict("configmaps"), conflict("webhook"), conflict("webhook")]);
    });
    let bundle = bundle(1);
    notifier(vec![cluster(&api, Some("spiffe"))]).bundle_loaded(&Identity::of(&bundle)).await.unwrap();
    assert_eq!(text(&api, CONFIG_MAP, "/data/bundle.crt"), certificates(&bundle));
    assert_eq!(text(&api, &format!("{VALIDATING}v"), "/webhooks/0/clientConfig/caBundle"), carried(&bundle));
    let gets = api.known(|known| known.objects.count("get"));
    assert_eq!(gets, 4, "the ConfigMap twice, the webhook after each conflict");
    // A server that says so for ever is believed at last.
    api.known(|known| known.objects.refusals.extend([conflict("configmaps"); 5]));
    let again = notifier(vec![cluster(&api, None)]).bundle_updated(&Identity::of(&self::bundle(2))).await;
    let said = "notifier(k8sbundle): unable to update: spire/spire-bundle: refused: Conflict";
    assert_eq!(again.unwrap_err().to_string(), said);
}

#[tokio::test]
async fn all_that_can_be_updated_is_and_the_rest_is_told() {
    let (one, two) = (api().await, api().await);
    one.known(|known| {
        known.objects.delete(CONFIG_MAP);
        known.objects.put(&format!("{MUTATING}m"), webhooks("spiffe", &["a"]));
    });
    let bundle = bundle(1);
    let clusters = vec![cluster(&one, Some("spiffe")), cluster(&two, None)];
    let failed = notifier(clusters).bundle_loaded(&Identity::of(&bundle)).await.unwrap_err();
    let said = "notifier(k8sbundle): unable to update: unable to get list: configmaps \"spire-bundle\" not found";
    assert_eq!(failed.to_string(), said);
    assert_eq!(text(&one, &format!("{MUTATING}m"), "/webhooks/0/clientConfig/caBundle"), carried(&bundle));
    assert_eq!(text(&two, CONFIG_MAP, "/data/bundle.crt"), certificates(&bundle));
}

#[tokio::test]
async fn webhook_that_appears_or_loses_its_certificates_gets_them() {
    let api = api().await;
    let (bundle, shutdown) = (bundle(1), Shutdown::new());
    let (identity, notifier) = (Identity::of(&bundle), notifier(vec![cluster(&api, Some("spiffe"))]));
    let (mutating, service) = (format!("{MUTATING}late"), format!("{SERVICES}v1.g"));
    let hook = "/webhooks/0/clientConfig/caBundle";
    let drive = async {
        api.objects(|objects| objects.count("watch") >= 3).await;
        api.known(|known| known.objects.put(&mutating, webhooks("spiffe", &["a"])));
        api.known(|known| known.objects.put(&service, self::service()));
        let set = |objects: &steeple_k8s::fake::Objects, path: &str, pointer: &str| {
            let found = objects.at(path).and_then(|object| object.pointer(pointer));
            found.is_some_and(|found| *found == *carried(&bundle))
        };
        api.objects(|objects| set(objects, &mutating, hook) && set(objects, &service, "/spec/caBundle")).await;
        api.known(|known| known.objects.put(&mutating, webhooks("spiffe", &["a"])));
        api.objects(|objects| set(objects, &mutating, hook)).await;
        shutdown.trigger();
    };
    tokio::join!(notifier.follow(&identity, &shutdown), drive);
}

#[tokio::test]
async fn watch_that_fails_or_ends_is_begun_anew() {
    let api = api().await;
    let shutdown = Shutdown::new();
    let (clock, hand) = Clock::manual("2026-01-01T00:00:00Z".parse().unwrap());
    let watched = BundleCluster { api_service_label: Some("spiffe".into()), ..cluster(&api, None) };
    let (notifier, identity) = (K8sBundle::new(vec![watched], clock), Identity::of(&bundle(1)));
    api.known(|known| {
        known.objects.refusals.push(Refusal { verb: "list", path: "apiservices", status: 500, reason: "Internal" });
    });
    let drive = async {
        api.objects(|objects| objects.count("list") == 1).await;
        // Neither the watch's own limit nor the pause ends by itself.
        for begun in 1..=2 {
            hand.wait_for_sleepers(1).await;
            while api.known(|known| known.objects.count("watch")) < begun {
                hand.advance(std::time::Duration::from_secs(2));
                tokio::task::yield_now().await;
            }
            api.known(|known| known.objects.end_watches());
        }
        shutdown.trigger();
    };
    tokio::join!(notifier.follow(&identity, &shutdown), drive);
}
