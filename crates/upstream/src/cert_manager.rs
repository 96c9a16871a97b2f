//! `cert-manager`: an issuer of cert-manager, which is asked by a CertificateRequest on an API server of Kubernetes.

mod answer;
mod request;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use serde_json::json;
use steeple_clock::Clock;
use steeple_k8s::{ApiServer, Permission, Scope, said};
use steeple_plugin::{ErrorClass, JwtKeyPublication, MintedX509Ca, PluginError, UpstreamAuthority};
use steeple_types::{Bundle, JwtAuthority, TrustDomain};
use tracing::{Instrument as _, debug, error, error_span, info};

use answer::minted;
use request::{CertificateRequest, CertificateRequestStatus, TRUST_DOMAIN_LABEL};

/// Name of the plugin.
pub const NAME: &str = "cert-manager";

/// What the plugin asks of an API server, in the namespace of the requests.
pub const PERMISSIONS: &[Permission] = &[Permission {
    group: "cert-manager.io",
    resource: "certificaterequests",
    names: &[],
    verbs: &["create", "delete", "get", "list"],
    scope: Scope::OwnNamespace,
    reason: "UpstreamAuthority cert-manager has the CA of the server signed",
}];

/// Time between two looks at a request.
const PAUSE: Duration = Duration::from_millis(250);
/// How often one looks before one gives up.
const LOOKS: usize = 300;
/// Most requests that are removed at one time; what is left goes the next time.
const MOST_REMOVED: u32 = 500;

/// What the authority is told by its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertManagerConfig {
    /// Name of the issuer (`issuer_name`).
    pub issuer_name: String,
    /// Kind of the issuer (`issuer_kind`).
    pub issuer_kind: String,
    /// API group of the issuer (`issuer_group`).
    pub issuer_group: String,
    /// Namespace of the requests (`namespace`).
    pub namespace: String,
    /// Where the API server is (`kube_config_file`).
    pub api_server: ApiServer,
}

impl CertManagerConfig {
    /// Kind of the issuer when none is configured.
    pub const DEFAULT_ISSUER_KIND: &str = "Issuer";
    /// API group of the issuer when none is configured.
    pub const DEFAULT_ISSUER_GROUP: &str = "cert-manager.io";
}

/// An issuer of cert-manager.
pub struct CertManager {
    config: CertManagerConfig,
    trust_domain: TrustDomain,
    clock: Clock,
}

impl CertManager {
    /// The issuer that `config` names.
    ///
    /// # Errors
    /// [`PluginError`] when there is no configuration by which the API server can be called. Whether it answers is seen when a CA
    /// is to be signed.
    pub async fn new(config: CertManagerConfig, trust_domain: TrustDomain, clock: Clock) -> Result<Self, PluginError> {
        let authority = Self { config, trust_domain, clock };
        authority.api().await?;
        Ok(authority)
    }

    /// The requests. Credentials are read now, so that what was renewed meanwhile is taken up.
    async fn api(&self) -> Result<Api<CertificateRequest>, PluginError> {
        let client = self.config.api_server.connect().await;
        let client = client.map_err(|reason| internal(format!("failed to create cert-manager client: {reason}")))?;
        Ok(Api::namespaced(client, &self.config.namespace))
    }

    async fn mint(
        &self,
        api: &Api<CertificateRequest>,
        csr: &[u8],
        preferred_ttl: Duration,
    ) -> Result<MintedX509Ca, PluginError> {
        let wanted = CertificateRequest::for_ca(&self.config, self.trust_domain.name(), csr, preferred_ttl);
        let created = api.create(&PostParams::default(), &wanted).await;
        let created = created.map_err(|reason| internal(format!("failed to create object: {}", said(&reason))))?;
        let (namespace, name) = (self.config.namespace.as_str(), created.name_any());
        info!(namespace, name, "Waiting for certificaterequest to be signed");
        let signed = self.await_certificate(api, &name).await?;
        minted(&signed).map_err(|unusable| {
            unusable.tell(namespace, &name);
            internal(unusable.to_string())
        })
    }

    /// Looks at the request until there is a certificate.
    async fn await_certificate(
        &self,
        api: &Api<CertificateRequest>,
        name: &str,
    ) -> Result<CertificateRequestStatus, PluginError> {
        let namespace = self.config.namespace.as_str();
        for _ in 0..LOOKS {
            self.clock.sleep(PAUSE).await;
            let request = api.get(name).await.map_err(|reason| {
                internal(format!("kubernetes cluster client failed to get object: {}", said(&reason)))
            })?;
            if let Some(condition) = request.denied() {
                tell_end(namespace, name, condition, "Created CertificateRequest has been denied");
                return Err(fault(ErrorClass::Denied, "request has been denied"));
            }
            if let Some(condition) = request.failed() {
                tell_end(namespace, name, condition, "Created CertificateRequest has failed");
                return Err(internal("request has failed"));
            }
            if let Some(status) = request.status.filter(CertificateRequestStatus::is_signed) {
                return Ok(status);
            }
        }
        error!(namespace, name, "Failed to wait for CertificateRequest to become ready in time");
        Err(internal("request did not become ready in time"))
    }

    /// Removes requests of the trust domain that have ended, whoever made them: nobody needs them any more.
    async fn remove_stale(&self, api: &Api<CertificateRequest>) -> Result<(), kube::Error> {
        let own = format!("{TRUST_DOMAIN_LABEL}={}", self.trust_domain.name());
        let found = api.list(&ListParams::default().labels(&own).limit(MOST_REMOVED)).await?;
        for request in &found {
            let Some(condition) = request.ended() else { continue };
            let name = request.name_any();
            let extra = json!({"type": condition.kind, "message": condition.message});
            let (namespace, reason) = (&self.config.namespace, &condition.reason);
            debug!(namespace, name, reason, %extra, "Deleting stale CertificateRequest");
            match api.delete(&name, &DeleteParams::default()).await {
                // Another server of the trust domain was faster.
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                other => drop(other?),
            }
        }
        Ok(())
    }
}

fn internal(message: impl Into<String>) -> PluginError {
    fault(ErrorClass::Internal, message)
}

fn fault(class: ErrorClass, message: impl Into<String>) -> PluginError {
    PluginError::new("upstreamauthority", NAME, class, message)
}

fn tell_end(namespace: &str, name: &str, condition: &request::Condition, text: &str) {
    let extra = json!({"message": condition.message});
    error!(namespace, name, reason = condition.reason, %extra, "{text}");
}

#[async_trait]
impl UpstreamAuthority for CertManager {
    fn name(&self) -> &str {
        NAME
    }

    async fn mint_x509_ca(&self, csr: &[u8], preferred_ttl: Duration) -> Result<MintedX509Ca, PluginError> {
        let minting = async {
            let api = self.api().await?;
            let minted = self.mint(&api, csr, preferred_ttl).await;
            debug!("Optimistically cleaning-up stale CertificateRequests");
            if let Err(reason) = self.remove_stale(&api).await {
                error!(error = said(&reason), "Failed to optimistically clean-up stale CertificateRequests");
            }
            minted
        };
        let plugin =
            error_span!("plugin", plugin_name = NAME, plugin_type = "UpstreamAuthority", subsystem_name = "catalog");
        minting.instrument(plugin).await
    }

    async fn publish_jwt_key(&self, _key: &JwtAuthority) -> Result<JwtKeyPublication, PluginError> {
        Ok(JwtKeyPublication::Unsupported)
    }

    async fn bundle(&self) -> Result<Option<Bundle>, PluginError> {
        Ok(None)
    }
}
