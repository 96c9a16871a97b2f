//! The validating webhook: the API server asks it whether an identity object can be used, before it takes the object.
//!
//! It presents an X.509-SVID that the server mints, and puts the server's authorities into the webhook's configuration, both as
//! spire-controller-manager does, so that an installation of that goes on with this controller in its place.

mod review;

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use steeple_client::{connect_unix, describe};
use steeple_clock::Clock;
use steeple_crypto::keys::{KeyError, KeyType, PrivateKey};
use steeple_crypto::pem;
use steeple_crypto::tls::{KeyExchange, WebIdentity, web_server_config};
use steeple_crypto::x509::{Name, X509Error, self_signed_csr};
use steeple_k8s::{Permission, Scope};
use steeple_net::Limits;
use steeple_net::web::{Endpoint, WebLimits, serve_requests};
use steeple_proto::spire::api::server::bundle::v1::GetBundleRequest;
use steeple_proto::spire::api::server::bundle::v1::bundle_client::BundleClient;
use steeple_proto::spire::api::server::svid::v1::MintX509svidRequest;
use steeple_proto::spire::api::server::svid::v1::svid_client::SvidClient;
use steeple_proto::spire::api::types;
use steeple_runtime::{Backoff, Shutdown};
use tokio::net::TcpListener;
use tonic::Status;
use tonic::transport::Channel;
use tracing::{info, warn};

use crate::controller::Settings;

/// What the webhook asks of the API server.
///
/// The chart does not grant it: its objects are checked by schemas, a policy and the controller, which need nobody to be up.
pub const PERMISSIONS: &[Permission] = &[Permission {
    group: "admissionregistration.k8s.io",
    resource: "validatingwebhookconfigurations",
    names: &["spire-controller-manager-webhook"],
    verbs: &["get", "patch"],
    scope: Scope::Cluster,
    reason: "the API server is told by which authorities it knows the webhook",
}];

/// Path of the ID that the webhook presents.
const ID_PATH: &str = "/spire-controller-manager-webhook";
/// Lifetime of its SVID, as it is asked for; the server may give less.
const LIFETIME: Duration = Duration::from_hours(24);
/// Pause between two looks at the configuration and the bundle.
const PAUSE: Duration = Duration::from_secs(5);
/// Longest pause when they fail.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// An API server sends few reviews at once, and none that is larger.
const LIMITS: WebLimits = WebLimits { connections: Limits { connections: 128, ..Limits::NETWORK }, body: 7 << 20 };

/// Where the API server finds the webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Address.
    pub address: SocketAddr,
    /// Name of the ValidatingWebhookConfiguration.
    pub configuration: String,
    /// The server's trust domain.
    pub trust_domain: String,
}

/// Why the webhook is not kept as it should be.
#[derive(Debug, thiserror::Error)]
enum WebhookError {
    #[error("no answer within {} s", DEADLINE.as_secs())]
    Late,
    #[error("{}", describe(.0))]
    Server(#[from] Status),
    #[error(transparent)]
    ApiServer(#[from] kube::Error),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Request(#[from] X509Error),
    #[error("the server has minted no X.509-SVID")]
    Nothing,
}

/// Keeps the certificate of the webhook, and what the API server knows of it.
pub(crate) struct Webhook {
    settings: WebhookSettings,
    configurations: Api<ValidatingWebhookConfiguration>,
    bundles: BundleClient<Channel>,
    svids: SvidClient<Channel>,
    clock: Clock,
    identity: WebIdentity,
    minted: Option<Minted>,
}

/// What an SVID was minted for.
struct Minted {
    dns_names: BTreeSet<String>,
    /// The server's authorities at that time: one that is gone from them must not have signed it.
    authorities: String,
    renewal: Timestamp,
}

impl Webhook {
    pub(crate) fn new(webhook: WebhookSettings, settings: &Settings, client: kube::Client, clock: Clock) -> Self {
        let channel = connect_unix(&settings.server_socket);
        Self {
            settings: webhook,
            configurations: Api::all(client),
            bundles: BundleClient::new(channel.clone()).max_decoding_message_size(settings.max_answer),
            svids: SvidClient::new(channel),
            clock,
            identity: WebIdentity::default(),
            minted: None,
        }
    }

    /// Answers the API server on `listener`, and keeps the certificate, until the shutdown.
    ///
    /// # Errors
    /// When the listener fails.
    pub(crate) async fn serve(self, listener: TcpListener, shutdown: Shutdown) -> io::Result<()> {
        let config =
            Arc::new(web_server_config(Arc::new(self.identity.clone()), KeyExchange::Any).map_err(io::Error::other)?);
        let respond = |head: &Parts, body: &Bytes| -> Response<Bytes> { review::answer(head, body).into() };
        let clock = self.clock.clone();
        tokio::select! {
            () = serve_requests(Endpoint::Tls(listener, config), Arc::new(respond), LIMITS, clock, shutdown) => {}
            () = self.keep() => {}
        }
        Ok(())
    }

    async fn keep(mut self) {
        let mut backoff = Backoff::new(PAUSE, 2.0, LONGEST_PAUSE);
        let mut is_absent = false;
        loop {
            let name = self.settings.configuration.clone();
            let pause = match self.clock.clone().timeout(DEADLINE, self.look()).await.unwrap_or(Err(WebhookError::Late))
            {
                Ok(found) => {
                    if !found && !is_absent {
                        warn!(
                            webhook = name,
                            "There is no ValidatingWebhookConfiguration of this name; it is served when there is. \
                             ENABLE_WEBHOOKS=false does without"
                        );
                    }
                    is_absent = !found;
                    backoff.reset();
                    PAUSE
                }
                Err(error) => {
                    warn!(webhook = name, %error, "Unable to keep the webhook; it is tried again");
                    backoff.pause(steeple_crypto::random::fraction())
                }
            };
            self.clock.sleep(pause).await;
        }
    }

    /// Makes certificate and configuration as they should be; `false` when there is no configuration.
    async fn look(&mut self) -> Result<bool, WebhookError> {
        let bundle = self.bundles.get_bundle(GetBundleRequest::default()).await?.into_inner();
        let authorities: String =
            bundle.x509_authorities.iter().map(|authority| pem::encode("CERTIFICATE", &authority.asn1)).collect();
        let Some(configuration) = self.configurations.get_opt(&self.settings.configuration).await? else {
            return Ok(false);
        };
        let dns_names = dns_names(&configuration);
        let is_current = |minted: &Minted| {
            minted.dns_names == dns_names && minted.authorities == authorities && self.clock.now() < minted.renewal
        };
        if !self.minted.as_ref().is_some_and(is_current) {
            self.mint(dns_names, authorities.clone()).await?;
        }
        if let Some(patch) = patch(&configuration, &authorities) {
            let name = &self.settings.configuration;
            self.configurations.patch(name, &PatchParams::default(), &Patch::Strategic(patch)).await?;
            info!(webhook = name, "The webhook's configuration has the server's authorities");
        }
        Ok(true)
    }

    async fn mint(&mut self, dns_names: BTreeSet<String>, authorities: String) -> Result<(), WebhookError> {
        let key = PrivateKey::generate(KeyType::EcP256)?;
        let id = format!("spiffe://{}{ID_PATH}", self.settings.trust_domain);
        let names: Vec<String> = dns_names.iter().cloned().collect();
        let csr = self_signed_csr(&key, &Name::default(), &[id], &names)?;
        let ttl = i32::try_from(LIFETIME.as_secs()).unwrap_or_default();
        let now = self.clock.now();
        let answer = self.svids.mint_x509svid(MintX509svidRequest { csr, ttl }).await?.into_inner();
        let types::X509svid { cert_chain, expires_at, .. } = answer.svid.ok_or(WebhookError::Nothing)?;
        self.identity.present(&cert_chain, &key.to_pkcs8()?)?;
        let renewal = Timestamp::from_second(now.as_second().midpoint(expires_at)).unwrap_or(now);
        info!(?dns_names, %renewal, "The webhook has a certificate");
        self.minted = Some(Minted { dns_names, authorities, renewal });
        Ok(())
    }
}

/// Names by which the API server calls the webhook's services.
fn dns_names(configuration: &ValidatingWebhookConfiguration) -> BTreeSet<String> {
    let webhooks = configuration.webhooks.iter().flatten();
    let services = webhooks.filter_map(|webhook| webhook.client_config.service.as_ref());
    let named = services.filter(|service| !service.name.is_empty() && !service.namespace.is_empty());
    named.map(|service| format!("{}.{}.svc", service.name, service.namespace)).collect()
}

/// The strategic merge patch that gives all webhooks these authorities (PEM); none when they have them.
fn patch(configuration: &ValidatingWebhookConfiguration, authorities: &str) -> Option<Value> {
    let wanted = Some(ByteString(authorities.as_bytes().to_vec()));
    let others = configuration.webhooks.iter().flatten().filter(|webhook| webhook.client_config.ca_bundle != wanted);
    let patches: Vec<Value> =
        others.map(|webhook| json!({"name": webhook.name, "clientConfig": {"caBundle": wanted}})).collect();
    (!patches.is_empty()).then(|| json!({"webhooks": patches}))
}
