//! The API server asks whether objects can be used.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use steeple_controller::WebhookSettings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use crate::bench::{Bench, in_time};

const NAME: &str = "spire-controller-manager-webhook";
const REVIEWS: &str = "/validate-spire-spiffe-io-v1alpha1-clusterspiffeid";

fn path() -> String {
    format!("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/{NAME}")
}

fn configuration() -> Value {
    let webhook = |name: &str| {
        json!({
            "name": name, "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "clientConfig": {"service": {"name": "webhook", "namespace": "spire", "path": REVIEWS}},
        })
    };
    json!({"metadata": {}, "webhooks": [webhook("one.kb.io"), webhook("two.kb.io")]})
}

/// A port that is free now.
async fn free() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap()
}

/// The authorities (PEM) that all webhooks of the configuration have, once they have some.
async fn authorities(bench: &Bench) -> String {
    let told = |object: &Value| {
        let webhooks = object["webhooks"].as_array().cloned().unwrap_or_default();
        let mut bundles =
            webhooks.iter().map(|webhook| webhook["clientConfig"]["caBundle"].as_str().map(str::to_owned));
        let first = bundles.next().flatten()?;
        bundles.all(|bundle| bundle.as_ref() == Some(&first)).then_some(first)
    };
    in_time(bench.api.objects(|objects| objects.at(&path()).and_then(told).is_some())).await;
    let encoded = bench.api.known(|known| known.objects.at(&path()).and_then(told)).unwrap();
    String::from_utf8(BASE64_STANDARD.decode(encoded).unwrap()).unwrap()
}

/// Asks as the API server does, which knows the webhook by these authorities and as a service.
async fn ask(address: SocketAddr, authorities: &str, body: &str) -> String {
    let mut roots = rustls::RootCertStore::empty();
    for block in steeple_crypto::pem::parse(authorities).unwrap() {
        roots.add(CertificateDer::from(block.der.to_vec())).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let socket = TcpStream::connect(address).await.unwrap();
    let service = ServerName::try_from("webhook.spire.svc").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(service, socket).await.unwrap();
    let length = body.len();
    let head = format!(
        "POST {REVIEWS}?timeout=10s HTTP/1.1\r\nHost: webhook.spire.svc\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    // Whoever sends too much may be cut off before the end, and no close_notify is waited for.
    let _sent = stream.write_all((head + body).as_bytes()).await;
    let mut answer = String::new();
    let _ended = stream.read_to_string(&mut answer).await;
    answer
}

#[tokio::test]
async fn api_server_is_answered_under_the_name_and_authorities_that_it_knows() {
    let bench = Bench::new().await;
    let server = bench.server().await;
    bench.put(&path(), configuration());
    let address = free().await;
    let controller = bench.controller_with(|settings| {
        let (configuration, trust_domain) = (NAME.to_owned(), "example.org".to_owned());
        settings.webhook = Some(WebhookSettings { address, configuration, trust_domain });
    });
    let authorities = authorities(&bench).await;
    let object = json!({"metadata": {"name": "x"}, "spec": {"spiffeIDTemplate": "spiffe://{{"}});
    let review = json!({"request": {"uid": "u-1", "operation": "CREATE", "object": object}}).to_string();
    let answer = in_time(ask(address, &authorities, &review)).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\"allowed\":false") && answer.contains("invalid SPIFFEID template"), "{answer}");
    let large = format!("{review}{}", " ".repeat(8 << 20));
    let answer = in_time(ask(address, &authorities, &large)).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413 "), "{answer}");
    controller.stop().await;
    server.stop().await;
}
