//! A server below an issuer of cert-manager, whose part the test plays: cert-manager's schema, no more permissions than the
//! code tells.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::ByteString;
use serde_json::{Value, json};
use steeple_clock::Clock;
use steeple_crypto::keys::{KeyType, PrivateKey, PublicKey};
use steeple_crypto::pem;
use steeple_crypto::verify::verify_svid;
use steeple_crypto::x509::{CertificateTemplate, Csr, Name, Purpose};
use steeple_tests_cluster::{Case, case, until};
use steeple_upstream::cert_manager::PERMISSIONS;

const REQUESTS: &str = "certificaterequests.cert-manager.io";
const OF_THE_TRUST_DOMAIN: &str = "cert-manager.spiffe.io/trust-domain=example.org";

#[test]
fn issuer_of_cert_manager_signs_the_ca() {
    case("cert-manager", |case| {
        let namespace = case.namespace("server")?;
        case.cluster.apply(include_str!("../../manifests/cert-manager-crd.yaml"), &[])?;
        let result = signs(case, &namespace);
        case.cluster.ok(&["delete", "crd", REQUESTS, "--wait=false"])?;
        result
    });
}

fn signs(case: &Case<'_>, namespace: &str) -> Result<()> {
    case.cluster.ok(&["wait", "--for=condition=Established", &format!("crd/{REQUESTS}"), "--timeout=60s"])?;
    stale(case, namespace)?;
    let rules: Vec<Value> = PERMISSIONS
        .iter()
        .map(|one| json!({"apiGroups": [one.group], "resources": [one.resource], "verbs": one.verbs}))
        .collect();
    let server = include_str!("../../manifests/cert-manager.yaml")
        .replace("RULES", &json!(rules).to_string())
        .replace("NAMESPACE", namespace);
    case.cluster.apply(&server, &[])?;
    let request = until::some("a CertificateRequest", || pending(case, namespace))?;
    let spec = request.get("spec").context("no spec")?;
    let issuer = json!({"name": "spire-ca", "kind": "Issuer", "group": "cert-manager.io"});
    ensure!(spec.get("issuerRef") == Some(&issuer), "{spec}");
    ensure!(spec.get("isCA") == Some(&json!(true)), "{spec}");
    ensure!(spec.get("duration") == Some(&json!("24h0m0s")), "{spec}");
    let issuer = Issuer::new()?;
    let approved = json!({"type": "Approved", "status": "True", "reason": "test", "message": "approved"});
    set_status(case, namespace, &request, &json!({"conditions": [approved]}))?;
    let (certificate, ca) = (issuer.sign(spec)?, pem::encode("CERTIFICATE", &issuer.root));
    let ready = json!({"type": "Ready", "status": "True", "reason": "Issued", "message": "signed"});
    let status = json!({"conditions": [approved, ready], "certificate": base64(&certificate), "ca": base64(&ca)});
    set_status(case, namespace, &request, &status)?;
    let exec = ["-n", namespace, "exec", "server", "--", "/opt/spire/bin/spire-server", "x509", "mint"];
    let arguments = ["-socketPath", "/data/private/api.sock", "-spiffeID", "spiffe://example.org/workload"];
    let minted = until::ok("an X.509-SVID", || case.cluster.ok(&[&exec[..], &arguments].concat()))?;
    verifies(&minted, &issuer.root)?;
    until::ok("no request that has ended", || {
        let left = case.cluster.ok(&["-n", namespace, "get", REQUESTS, "-l", OF_THE_TRUST_DOMAIN, "-o", "name"])?;
        ensure!(left.trim().is_empty(), "{left}");
        Ok(())
    })
}

/// Puts a request there that was denied before.
fn stale(case: &Case<'_>, namespace: &str) -> Result<()> {
    let request = json!({
        "apiVersion": "cert-manager.io/v1", "kind": "CertificateRequest",
        "metadata": {
            "name": "stale", "namespace": namespace, "labels": {"cert-manager.spiffe.io/trust-domain": "example.org"},
        },
        "spec": {"issuerRef": {"name": "spire-ca"}, "request": base64("stale")},
    });
    case.cluster.apply(&request.to_string(), &[])?;
    let denied = json!({"type": "Denied", "status": "True", "reason": "test", "message": "denied"});
    set_status(case, namespace, &request, &json!({"conditions": [denied]}))
}

/// The request of the server, once it is there.
fn pending(case: &Case<'_>, namespace: &str) -> Result<Option<Value>> {
    let found = case.cluster.json(&["-n", namespace, "get", REQUESTS, "-l", OF_THE_TRUST_DOMAIN])?;
    let items = found.get("items").and_then(Value::as_array).context("no list")?;
    let of_server = |request: &&Value| {
        let name = request.pointer("/metadata/name").and_then(Value::as_str);
        name.is_some_and(|name| name.starts_with("spiffe-ca-"))
    };
    Ok(items.iter().find(of_server).cloned())
}

fn set_status(case: &Case<'_>, namespace: &str, request: &Value, status: &Value) -> Result<()> {
    let name = request.pointer("/metadata/name").and_then(Value::as_str).context("no name")?;
    let patch = json!({"status": status}).to_string();
    let of = ["-n", namespace, "patch", REQUESTS, name];
    case.cluster.ok(&[&of[..], &["--subresource=status", "--type=merge", "-p", &patch]].concat()).map(drop)
}

/// What `x509 mint` printed is an X.509-SVID of the workload that leads to `root`, the only authority.
fn verifies(minted: &str, root: &[u8]) -> Result<()> {
    let blocks = pem::parse(minted)?;
    let key = blocks.iter().position(|block| block.label == "PRIVATE KEY").context("no key")?;
    let (chain, authorities) = blocks.split_at(key);
    let authorities: Vec<&[u8]> = authorities.iter().skip(1).map(|block| block.der.as_slice()).collect();
    ensure!(authorities == [root], "{} authorities, not the issuer's root alone", authorities.len());
    let chain: Vec<&[u8]> = chain.iter().map(|block| block.der.as_slice()).collect();
    let (id, _) = verify_svid(&chain, |_| vec![root.to_vec()], Clock::system().now())?;
    ensure!(id.to_string() == "spiffe://example.org/workload", "{id}");
    Ok(())
}

fn base64(text: &str) -> Value {
    json!(ByteString(text.as_bytes().to_vec()))
}

/// Who signs.
struct Issuer {
    key: PrivateKey,
    root: Vec<u8>,
}

impl Issuer {
    fn new() -> Result<Self> {
        let key = PrivateKey::generate(KeyType::EcP256)?;
        let root = certificate(&key, key.public_key(), &Name::of("US", "ISSUER"), &[])?;
        Ok(Self { key, root })
    }

    /// The certificate that a request asks for, PEM.
    fn sign(&self, spec: &Value) -> Result<String> {
        let request = serde_json::from_value::<ByteString>(spec.get("request").context("no request")?.clone())?;
        let blocks = pem::parse(&String::from_utf8(request.0)?)?;
        let csr = Csr::from_der(&blocks.first().context("no PEM")?.der)?;
        csr.verify_signature()?;
        ensure!(csr.uris() == ["spiffe://example.org"], "{:?}", csr.uris());
        let signed = certificate(&self.key, csr.public_key(), csr.subject(), csr.uris())?;
        Ok(pem::encode("CERTIFICATE", &signed))
    }
}

fn certificate(signer: &PrivateKey, public_key: &PublicKey, subject: &Name, uris: &[String]) -> Result<Vec<u8>> {
    let now = Clock::system().now();
    let template = CertificateTemplate {
        serial: &[7],
        issuer: &Name::of("US", "ISSUER").to_der(),
        subject,
        not_before: now - Duration::from_mins(1),
        not_after: now + Duration::from_hours(24),
        public_key,
        authority_key_id: &[],
        purpose: Purpose::Ca,
        uris,
        dns_names: &[],
        signature: signer.public_key().certificate_signature()?,
    };
    Ok(template.encode().sign(signer)?)
}
