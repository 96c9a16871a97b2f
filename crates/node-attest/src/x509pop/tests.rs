//! Both halves in conversation, over certificates made here.

use std::fs;
use std::path::Path;

use async_trait::async_trait;
use jiff::Timestamp;
use steeple_clock::Clock;
use steeple_crypto::keys::{KeyType, PrivateKey};
use steeple_crypto::pem;
use steeple_crypto::x509::{Certificate, CertificateTemplate, Name, Purpose};
use steeple_plugin::{AgentNodeAttestor, AttestationAttempt, Conversation, NodeAttestor, Origin, PluginError};
use steeple_types::TrustDomain;

use super::{Trust, X509PopAgent, X509PopAgentConfig, X509PopServer, X509PopServerConfig};

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn certificate(key: &PrivateKey, issuer: &PrivateKey, purpose: Purpose, uris: &[String]) -> Vec<u8> {
    let (subject, issuer_name) = match purpose {
        Purpose::Ca => (Name::of("US", "CA"), Name::of("US", "CA")),
        Purpose::Leaf => (Name { common_name: Some("node".into()), ..Name::default() }, Name::of("US", "CA")),
    };
    let template = CertificateTemplate {
        serial: &[0x0a, 0xbc],
        issuer: &issuer_name.to_der(),
        subject: &subject,
        not_before: "2025-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2027-01-01T00:00:00Z".parse().unwrap(),
        public_key: key.public_key(),
        authority_key_id: &[],
        purpose,
        uris,
        dns_names: &[],
        signature: issuer.public_key().certificate_signature().unwrap(),
    };
    template.encode().sign(issuer).unwrap()
}

struct Pki {
    _dir: tempfile::TempDir,
    root: Vec<u8>,
    agent: X509PopAgent,
}

fn write(path: &Path, label: &str, der: &[u8]) {
    fs::write(path, pem::encode(label, der)).unwrap();
}

fn pki(kind: KeyType) -> Pki {
    let dir = tempfile::tempdir().unwrap();
    let (ca, node) = (PrivateKey::generate(KeyType::EcP256).unwrap(), PrivateKey::generate(kind).unwrap());
    let root = certificate(&ca, &ca, Purpose::Ca, &[]);
    let leaf = certificate(&node, &ca, Purpose::Leaf, &["x509pop://example.org/zone/a/b".to_owned()]);
    write(&dir.path().join("key.pem"), "PRIVATE KEY", &node.to_pkcs8().unwrap());
    write(&dir.path().join("cert.pem"), "CERTIFICATE", &leaf);
    let config = X509PopAgentConfig {
        private_key_path: dir.path().join("key.pem"),
        certificate_path: dir.path().join("cert.pem"),
        intermediates_path: None,
    };
    let agent = X509PopAgent::new(config).unwrap();
    Pki { _dir: dir, root, agent }
}

fn server(root: Vec<u8>) -> X509PopServer {
    let config = X509PopServerConfig {
        trust_domain: TrustDomain::parse("example.org").unwrap(),
        trust: Trust::ExternalPki(vec![root]),
        max_intermediates: 4,
        max_rsa_key_size: 8192,
        verify_client_ip: false,
    };
    X509PopServer::new(config, Clock::manual(now()).0)
}

struct Talk<'a> {
    attempt: &'a mut dyn AttestationAttempt,
    spoil: bool,
}

#[async_trait]
impl Conversation for Talk<'_> {
    async fn challenge(&mut self, challenge: Vec<u8>) -> Result<Vec<u8>, PluginError> {
        let response = self.attempt.respond(&challenge).await?;
        if !self.spoil {
            return Ok(response);
        }
        // Another nonce than the one that was signed.
        let mut json: serde_json::Value = serde_json::from_slice(&response).unwrap();
        json["ecdsa_signature"]["nonce"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into();
        Ok(serde_json::to_vec(&json).unwrap())
    }
}

#[tokio::test]
async fn key_of_each_kind_proves_itself() {
    for kind in [KeyType::EcP256, KeyType::EcP384, KeyType::Rsa2048] {
        let pki = pki(kind);
        let mut attempt = pki.agent.begin().await.unwrap();
        let payload = attempt.payload();
        let server = server(pki.root.clone());
        let mut talk = Talk { attempt: attempt.as_mut(), spoil: false };
        let claims = server.attest(&payload, &Origin::default(), &mut talk).await.unwrap();
        let root = Certificate::from_der(&pki.root).unwrap();
        assert_eq!(
            claims.selector_values,
            [
                "subject:cn:node".to_owned(),
                format!("ca:fingerprint:{}", root.fingerprint()),
                "serialnumber:0abc".into(),
                "san:zone:a/b".into()
            ]
        );
        assert!(claims.agent_path.starts_with("/x509pop/") && claims.can_reattest);
    }
}

#[tokio::test]
async fn replayed_signature_is_denied() {
    let pki = pki(KeyType::EcP256);
    let mut attempt = pki.agent.begin().await.unwrap();
    let payload = attempt.payload();
    let mut talk = Talk { attempt: attempt.as_mut(), spoil: true };
    let error = server(pki.root.clone()).attest(&payload, &Origin::default(), &mut talk).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "nodeattestor(x509pop): challenge response verification failed: ECDSA signature verify failed"
    );
}

#[tokio::test]
async fn certificate_of_another_authority_is_denied() {
    let (ours, theirs) = (pki(KeyType::EcP256), pki(KeyType::EcP256));
    let mut attempt = theirs.agent.begin().await.unwrap();
    let payload = attempt.payload();
    let mut talk = Talk { attempt: attempt.as_mut(), spoil: false };
    let error = server(ours.root).attest(&payload, &Origin::default(), &mut talk).await.unwrap_err();
    assert!(error.to_string().contains("certificate verification failed"), "{error}");
    let error = server(theirs.root.clone()).attest(b"{}", &Origin::default(), &mut talk).await.unwrap_err();
    assert!(error.to_string().contains("failed to unmarshal data"), "{error}");
}
