use jiff::Timestamp;
use k8s_openapi::ByteString;
use serde_json::Value;
use steeple_clock::ManualClock;
use steeple_crypto::keys::{KeyType, PrivateKey, PublicKey};
use steeple_crypto::pem;
use steeple_crypto::x509::{Certificate, CertificateTemplate, Csr, Name, Purpose, self_signed_csr};
use steeple_k8s::fake::{FakeApiServer, Known, Objects, Refusal};

use super::*;

const REQUESTS: &str = "/apis/cert-manager.io/v1/namespaces/sandbox/certificaterequests";

/// An API server, the authority that asks it, and who signs.
struct Bench {
    api: FakeApiServer,
    authority: CertManager,
    hand: ManualClock,
    key: PrivateKey,
}

impl Bench {
    async fn new() -> Self {
        let api = FakeApiServer::start(Known::default()).await.unwrap();
        let (clock, hand) = Clock::manual("2026-01-01T00:00:00Z".parse().unwrap());
        let config = CertManagerConfig {
            issuer_name: "spire-ca".into(),
            issuer_kind: "ClusterIssuer".into(),
            issuer_group: "cert-manager.io".into(),
            namespace: "sandbox".into(),
            api_server: api.api_server(),
        };
        let authority = CertManager::new(config, "example.org".parse().unwrap(), clock).await.unwrap();
        Self { api, authority, hand, key: key() }
    }

    /// Has a CA signed; `answer` says at each look, counted from 1, which status the request gets before it, if any.
    async fn mint(&self, answer: impl Fn(usize, &Value) -> Option<Value>) -> Result<MintedX509Ca, PluginError> {
        let csr = self_signed_csr(&key(), &Name::of("US", "SPIRE"), &["spiffe://example.org".to_owned()], &[]).unwrap();
        let issuer = async {
            for look in 1.. {
                self.hand.wait_for_sleepers(1).await;
                self.answer(|request| answer(look, request));
                self.hand.advance(PAUSE);
            }
        };
        tokio::select! {
            minted = self.authority.mint_x509_ca(&csr, Duration::from_hours(24)) => minted,
            () = issuer => unreachable!(),
        }
    }

    /// Gives the newest request the status that `answer` says, if any.
    fn answer(&self, answer: impl FnOnce(&Value) -> Option<Value>) {
        self.api.known(|known| {
            let newest = known.objects.all_at(REQUESTS).into_iter().max_by_key(|request| version(request)).cloned();
            let mut request = newest.unwrap();
            let Some(status) = answer(&request) else { return };
            request["status"] = status;
            let path = format!("{REQUESTS}/{}", request["metadata"]["name"].as_str().unwrap());
            known.objects.put(&path, request);
        });
    }

    /// The status of a request that was signed.
    fn signed(&self, request: &Value) -> Value {
        let text = String::from_utf8(bytes(&request["spec"]["request"])).unwrap();
        let csr = Csr::from_der(&pem::parse(&text).unwrap()[0].der).unwrap();
        let ca = pem::encode("CERTIFICATE", &self.certificate(csr.public_key(), csr.uris()));
        let root = pem::encode("CERTIFICATE", &self.certificate(self.key.public_key(), &[]));
        json!({"conditions": [ready()], "certificate": base64(&ca), "ca": base64(&root)})
    }

    fn certificate(&self, public_key: &PublicKey, uris: &[String]) -> Vec<u8> {
        let name = Name::of("US", "ROOT");
        let template = CertificateTemplate {
            serial: &[1],
            issuer: &name.to_der(),
            subject: &name,
            not_before: Timestamp::UNIX_EPOCH,
            not_after: "2030-01-01T00:00:00Z".parse().unwrap(),
            public_key,
            authority_key_id: &[],
            purpose: Purpose::Ca,
            uris,
            dns_names: &[],
            signature: self.key.public_key().certificate_signature().unwrap(),
        };
        template.encode().sign(&self.key).unwrap()
    }

    /// Names of the requests that are there.
    fn names(&self) -> Vec<String> {
        let name = |request: &&Value| request["metadata"]["name"].as_str().unwrap().to_owned();
        self.api.known(|known| known.objects.all_at(REQUESTS).iter().map(name).collect())
    }
}

fn key() -> PrivateKey {
    PrivateKey::generate(KeyType::EcP256).unwrap()
}

fn version(request: &Value) -> u64 {
    request["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    serde_json::from_value::<ByteString>(value.clone()).unwrap().0
}

fn base64(text: &str) -> Value {
    json!(ByteString(text.as_bytes().to_vec()))
}

fn ready() -> Value {
    json!({"type": "Ready", "status": "True", "reason": "Issued", "message": "m"})
}

fn denied() -> Value {
    json!({"type": "Denied", "status": "True", "reason": "Policy", "message": "not this one"})
}

fn failed() -> Value {
    json!({"type": "Ready", "status": "False", "reason": "Failed", "message": "no such issuer"})
}

fn pending() -> Value {
    json!({"type": "Ready", "status": "False", "reason": "Pending", "message": "m"})
}

fn put(objects: &mut Objects, name: &str, domain: &str, conditions: &Value) {
    let object = json!({
        "apiVersion": "cert-manager.io/v1", "kind": "CertificateRequest",
        "metadata": {"labels": {"cert-manager.spiffe.io/trust-domain": domain}},
        "spec": {"issuerRef": {"name": "i"}, "request": base64("")}, "status": {"conditions": conditions},
    });
    objects.put(&format!("{REQUESTS}/{name}"), object);
}

#[tokio::test]
async fn request_asks_for_a_ca_as_that_of_spire_and_goes_when_it_is_signed() {
    let bench = Bench::new().await;
    let asked = std::cell::RefCell::new(Value::Null);
    let minted = bench.mint(|look, request| {
        asked.replace(request.clone());
        // Late, after it has been approved and is pending.
        match look {
            1 => None,
            2 => Some(json!({"conditions": [{"type": "Approved", "status": "True"}, pending()]})),
            _ => Some(bench.signed(request)),
        }
    });
    let minted = minted.await.unwrap();
    let request = asked.into_inner();
    assert!(request["metadata"]["name"].as_str().unwrap().starts_with("spiffe-ca-"), "{request}");
    assert_eq!(request["metadata"]["labels"], json!({"cert-manager.spiffe.io/trust-domain": "example.org"}));
    assert_eq!(
        (&request["apiVersion"], &request["kind"]),
        (&json!("cert-manager.io/v1"), &json!("CertificateRequest"))
    );
    let mut spec = request["spec"].clone();
    let csr = String::from_utf8(bytes(&spec["request"])).unwrap();
    assert!(csr.starts_with("-----BEGIN CERTIFICATE REQUEST-----\n"), "{csr}");
    spec["request"].take();
    let wanted = json!({
        "duration": "24h0m0s", "isCA": true, "usages": ["cert sign", "crl sign"], "request": null,
        "issuerRef": {"name": "spire-ca", "kind": "ClusterIssuer", "group": "cert-manager.io"},
    });
    assert_eq!(spec, wanted);
    let ca = Certificate::from_der(&minted.chain[0]).unwrap();
    assert_eq!((minted.chain.len(), ca.uris()), (1, &["spiffe://example.org".to_owned()][..]));
    let root = bench.certificate(bench.key.public_key(), &[]);
    let root = Certificate::from_der(&root).unwrap();
    let told = Certificate::from_der(&minted.upstream_roots[0].certificate).unwrap();
    assert_eq!((minted.upstream_roots.len(), told.public_key()), (1, root.public_key()));
    assert!(bench.names().is_empty(), "{:?}", bench.names());
}

#[tokio::test]
async fn denied_and_failed_requests_are_told_at_once_and_go() {
    let bench = Bench::new().await;
    for (condition, class, text) in [
        (denied(), ErrorClass::Denied, "request has been denied"),
        (failed(), ErrorClass::Internal, "request has failed"),
    ] {
        let conditions = json!({"conditions": [condition]});
        let error = bench.mint(|_, _| Some(conditions.clone())).await.unwrap_err();
        assert_eq!((error.class, error.to_string()), (class, format!("upstreamauthority(cert-manager): {text}")));
        assert!(bench.names().is_empty(), "{:?}", bench.names());
    }
    // A denied one is not taken, even with a certificate.
    let both = |_: usize, request: &Value| {
        let mut status = bench.signed(request);
        status["conditions"] = json!([ready(), denied()]);
        Some(status)
    };
    assert_eq!(bench.mint(both).await.unwrap_err().message, "request has been denied");
}

#[tokio::test]
async fn request_that_nobody_answers_is_given_up_after_75_seconds() {
    let bench = Bench::new().await;
    let looks = std::cell::Cell::new(0);
    let error = bench.mint(|look, _| {
        looks.set(look);
        None
    });
    assert_eq!(error.await.unwrap_err().message, "request did not become ready in time");
    assert_eq!(looks.get(), 300);
    assert_eq!(bench.names().len(), 1, "it may still be signed, and goes the next time");
}

#[tokio::test]
async fn answers_that_are_none_are_refused_in_the_words_of_spire() {
    let bench = Bench::new().await;
    let refused = async |change: &dyn Fn(&mut Value)| {
        let answer = |_: usize, request: &Value| {
            let mut status = bench.signed(request);
            change(&mut status);
            Some(status)
        };
        bench.mint(answer).await.unwrap_err().message
    };
    let said = refused(&|status| status["certificate"] = base64("none")).await;
    assert_eq!(said, "failed to parse certificate: no PEM blocks");
    let key = "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n";
    let said = refused(&|status| status["certificate"] = base64(key)).await;
    assert_eq!(said, "failed to parse certificate: expected block type \"CERTIFICATE\"; got \"PRIVATE KEY\"");
    let said = refused(&|status| drop(status.as_object_mut().unwrap().remove("ca"))).await;
    assert_eq!(said, "no upstream CA root returned from request");
    let broken = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    let said = refused(&|status| status["ca"] = base64(broken)).await;
    assert!(
        said.starts_with("failed to parse CA certificate: unable to parse \"CERTIFICATE\" PEM block 1: "),
        "{said}"
    );
}

#[tokio::test]
async fn requests_that_have_ended_are_removed_and_others_stay() {
    let bench = Bench::new().await;
    bench.api.known(|known| {
        let objects = &mut known.objects;
        for (name, condition) in
            [("denied", denied()), ("failed", failed()), ("pending", pending()), ("ready", ready())]
        {
            put(objects, name, "example.org", &json!([condition]));
        }
        put(objects, "of-another-domain", "other.org", &json!([ready()]));
        // One that can't be removed stops nobody from having their CA.
        objects.refusals.push(Refusal { verb: "delete", path: "failed", status: 403, reason: "Forbidden" });
    });
    let sign = |_: usize, request: &Value| Some(bench.signed(request));
    bench.mint(sign).await.unwrap();
    assert!(bench.names().contains(&"failed".to_owned()), "{:?}", bench.names());
    bench.mint(sign).await.unwrap();
    assert_eq!(bench.names(), ["of-another-domain", "pending"]);
}

#[tokio::test]
async fn refusals_of_the_api_server_are_told() {
    let bench = Bench::new().await;
    for (verb, text) in [
        ("create", "failed to create object: refused: Forbidden"),
        ("get", "kubernetes cluster client failed to get object: refused: Forbidden"),
    ] {
        let refusal = Refusal { verb, path: "certificaterequests", status: 403, reason: "Forbidden" };
        bench.api.known(|known| known.objects.refusals.push(refusal));
        assert_eq!(bench.mint(|_, _| None).await.unwrap_err().message, text);
    }
}
