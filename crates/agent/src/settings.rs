//! What an agent is told by its configuration, validated.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use steeple_client::WorkloadEndpoint;
use steeple_config::{HealthSettings, PrometheusSettings};
use steeple_crypto::keys::KeyType;
use steeple_crypto::tls::KeyExchange;
use steeple_explain::Redact;
use steeple_types::TrustDomain;

use crate::svid::Rotation;

/// What an agent is told by its configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The trust domain.
    pub trust_domain: TrustDomain,
    /// Host of the server.
    pub server_address: String,
    /// Port of the server.
    pub server_port: u16,
    /// Where the agent keeps its data.
    pub data_dir: PathBuf,
    /// Where the public socket is.
    pub socket_path: PathBuf,
    /// Where the admin socket is, if there is one.
    pub admin_socket_path: Option<PathBuf>,
    /// How the server is trusted at first.
    pub bootstrap: Bootstrap,
    /// What it does about a server of an authority that it does not know.
    pub rebootstrap: Rebootstrap,
    /// Kind of workloads' keys.
    pub workload_key_type: KeyType,
    /// How often the server is asked for entries.
    pub sync_interval: Duration,
    /// How long an X.509-SVID shall be good for at any time, so that workloads outlive an outage of the server as long as that;
    /// otherwise SVIDs are renewed at half of their life.
    pub availability_target: Option<Duration>,
    /// Most X.509-SVIDs that are kept without anybody asking for them.
    pub x509_svid_cache_max_size: usize,
    /// Most JWT-SVIDs that are kept.
    pub jwt_svid_cache_max_size: usize,
    /// How long the server may take for a new JWT-SVID before the one that is kept, and still good, is handed out again.
    pub jwt_svid_cache_hit_timeout: Duration,
    /// Most calls per second of workloads with the same selectors, by method; a method that is not named is not limited.
    pub workload_limits: BTreeMap<&'static str, u32>,
    /// Selectors that are told when a workload gets no identity: those that are one of these or begin with one and a colon.
    pub log_selectors: Vec<String>,
    /// What operators who are neither root nor the agent's own user are not told of workloads and entries.
    pub explain_redact: Redact,
    /// How keys are agreed on with the server.
    pub key_exchange: KeyExchange,
    /// Whether workloads without an identity may have the own trust domain's bundle.
    pub allow_unauthenticated_verifiers: bool,
    /// Claims of other trust domains' tokens that are handed on besides `sub`, `exp` and `aud`.
    pub allowed_foreign_jwt_claims: Vec<String>,
    /// Whether the Workload API is offered.
    pub workload_api: bool,
    /// Whether Envoy's SDS is offered.
    pub sds_api: bool,
    /// Names of SDS resources.
    pub sds: SdsNames,
    /// Where health is told over HTTP.
    pub health: Option<HealthSettings>,
    /// Where Prometheus reads.
    pub prometheus: Option<PrometheusSettings>,
    /// Where sockets of pods are, if there are any.
    pub pod_sockets: Option<PathBuf>,
    /// Version that the agent reports.
    pub version: String,
}

impl Settings {
    /// When X.509-SVIDs are renewed.
    pub(crate) fn rotation(&self) -> Rotation {
        Rotation { availability_target: self.availability_target }
    }
}

/// How the server is trusted at first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bootstrap {
    /// By certificates in a PEM file.
    PemFile(PathBuf),
    /// By a bundle document in a file.
    SpiffeFile(PathBuf),
    /// By what a URL yields, over Web PKI or over a socket of this machine.
    Url {
        /// The URL.
        url: String,
        /// The socket to ask on, instead of the URL's host.
        socket: Option<PathBuf>,
        /// Whether it yields a bundle document rather than PEM.
        spiffe: bool,
    },
    /// By the bundle that a Workload API tells, such as that of an agent of the server above.
    WorkloadApi(WorkloadEndpoint),
    /// Not at all: the first server that answers is believed.
    Insecure,
}

/// What an agent that has trusted a server does when the server's certificate is of an authority that it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebootstrap {
    /// Whether it then begins anew.
    pub mode: RebootstrapMode,
    /// How long the server must have been unknown before. A call that succeeds meanwhile ends the wait.
    pub delay: Duration,
}

impl Default for Rebootstrap {
    fn default() -> Self {
        Self { mode: RebootstrapMode::Never, delay: Duration::from_mins(10) }
    }
}

/// Whether an agent begins anew: forgets SVID and bundle, and attests to the server that its first bundle vouches for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RebootstrapMode {
    /// It does not.
    Never,
    /// It does if it can attest again.
    Auto,
    /// It does, and does not run at all if it can't attest again.
    Always,
}

/// Names of SDS resources that stand for what a workload has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SdsNames {
    /// The first identity.
    pub default_svid_name: String,
    /// The own trust domain's bundle.
    pub default_bundle_name: String,
    /// All bundles.
    pub default_all_bundles_name: String,
    /// Whether Envoy's SPIFFE validator is left out.
    pub disable_spiffe_cert_validation: bool,
}

impl Default for SdsNames {
    fn default() -> Self {
        Self {
            default_svid_name: "default".into(),
            default_bundle_name: "ROOTCA".into(),
            default_all_bundles_name: "ALL".into(),
            disable_spiffe_cert_validation: false,
        }
    }
}
