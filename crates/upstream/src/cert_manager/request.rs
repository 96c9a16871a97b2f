//! CertificateRequests as cert-manager has them (`cert-manager.io/v1`), as far as one needs them to have a CA signed.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::ByteString;
use kube::CustomResource;
use kube::api::ObjectMeta;
use serde::{Deserialize, Serialize};
use steeple_config::format_duration;
use steeple_crypto::pem;

use super::CertManagerConfig;

/// What is to be signed, and by whom. What a request leaves out is empty here, so that none is in the way of others.
#[derive(Clone, Debug, Default, CustomResource, Deserialize, Serialize)]
#[kube(group = "cert-manager.io", version = "v1", kind = "CertificateRequest", namespaced)]
#[kube(status = "CertificateRequestStatus", schema = "disabled")]
#[serde(default, rename_all = "camelCase")]
pub(super) struct CertificateRequestSpec {
    /// As Go writes a duration.
    duration: String,
    issuer_ref: IssuerRef,
    /// PKCS#10, PEM.
    request: ByteString,
    #[serde(rename = "isCA")]
    is_ca: bool,
    usages: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct IssuerRef {
    name: String,
    kind: String,
    group: String,
}

/// What became of a request.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct CertificateRequestStatus {
    conditions: Vec<Condition>,
    /// The signed certificate and those between it and the root, PEM; empty as long as it is not signed.
    pub(super) certificate: ByteString,
    /// The root, PEM; empty from an issuer that does not tell it.
    pub(super) ca: ByteString,
}

impl CertificateRequestStatus {
    /// Whether there is a certificate.
    pub(super) fn is_signed(&self) -> bool {
        !self.certificate.0.is_empty()
    }
}

/// One thing that is said of a request.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: String,
    status: String,
    pub(super) reason: String,
    pub(super) message: String,
}

/// The label by which the requests of a trust domain are found.
pub(super) const TRUST_DOMAIN_LABEL: &str = "cert-manager.spiffe.io/trust-domain";

impl CertificateRequest {
    /// Asks `config`'s issuer for a CA of `trust_domain` by the certificate signing request `csr` (DER).
    pub(super) fn for_ca(config: &CertManagerConfig, trust_domain: &str, csr: &[u8], ttl: Duration) -> Self {
        let spec = CertificateRequestSpec {
            duration: format_duration(ttl),
            issuer_ref: IssuerRef {
                name: config.issuer_name.clone(),
                kind: config.issuer_kind.clone(),
                group: config.issuer_group.clone(),
            },
            request: ByteString(pem::encode("CERTIFICATE REQUEST", csr).into_bytes()),
            is_ca: true,
            usages: vec!["cert sign".to_owned(), "crl sign".to_owned()],
        };
        let metadata = ObjectMeta {
            generate_name: Some("spiffe-ca-".to_owned()),
            namespace: Some(config.namespace.clone()),
            labels: Some(BTreeMap::from([(TRUST_DOMAIN_LABEL.to_owned(), trust_domain.to_owned())])),
            ..ObjectMeta::default()
        };
        Self { metadata, spec, status: None }
    }

    /// The condition that says that it was denied.
    pub(super) fn denied(&self) -> Option<&Condition> {
        self.condition("Denied", "True", None)
    }

    /// The condition that says that it failed.
    pub(super) fn failed(&self) -> Option<&Condition> {
        self.condition("Ready", "False", Some("Failed"))
    }

    /// The condition after which nothing more becomes of it.
    pub(super) fn ended(&self) -> Option<&Condition> {
        self.denied().or_else(|| self.condition("Ready", "True", None)).or_else(|| self.failed())
    }

    fn condition(&self, kind: &str, status: &str, reason: Option<&str>) -> Option<&Condition> {
        self.status.as_ref()?.conditions.iter().find(|condition| {
            condition.kind == kind
                && condition.status == status
                && reason.is_none_or(|reason| condition.reason == reason)
        })
    }
}
