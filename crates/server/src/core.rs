//! What all RPCs and jobs of a server share.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use steeple_audit::Audit;
use steeple_ca::{Issuers, JwtIssuer, JwtKeyPublisher, X509Issuer};
use steeple_clock::Clock;
use steeple_config::{HealthSettings, PrometheusSettings};
use steeple_crypto::tls::KeyExchange;
use steeple_explain::Redact;
use steeple_net::TrustedProxies;
use steeple_plugin::NodeAttestor;
use steeple_sinks::State;
use steeple_store::Store;
use steeple_types::{SpiffeId, TrustDomain};
use tokio::sync::watch;
use tonic::{Code, Status};

use crate::access::AccessSettings;
use crate::api::call::{Call, Caller};
use crate::api::limits::{Limits, RateSettings};
use crate::api::status::Failure;
use crate::authorities::Authorities;
use crate::denials::Denials;
use crate::entries::Entries;
use crate::federation::{Federation, FederationSettings};
use crate::identity::ServerIdentity;
use crate::joins::RecentJoins;
use crate::native::Measures;
use crate::parts::{CallMetrics, LogControl};

/// What a server is told by its configuration, validated.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The trust domain.
    pub trust_domain: TrustDomain,
    /// Where the APIs listen on the network.
    pub bind_address: SocketAddr,
    /// Where the private socket is.
    pub socket_path: PathBuf,
    /// Lifetime of authorities.
    pub ca_ttl: Duration,
    /// Subject of X.509 authorities.
    pub ca_subject: steeple_ca::CaSubject,
    /// Kind of X.509 authorities' keys, and of the server's own.
    pub ca_key_type: steeple_crypto::keys::KeyType,
    /// Kind of JWT authorities' keys.
    pub jwt_key_type: steeple_crypto::keys::KeyType,
    /// The `iss` of JWT-SVIDs.
    pub jwt_issuer: Option<String>,
    /// Whether JWT-SVIDs are issued.
    pub jwt_enabled: bool,
    /// Lifetime of X.509-SVIDs whose entry does not say.
    pub default_x509_svid_ttl: Duration,
    /// Lifetime of JWT-SVIDs whose entry does not say.
    pub default_jwt_svid_ttl: Duration,
    /// Lifetime of agents' SVIDs.
    pub agent_ttl: Duration,
    /// SPIFFE IDs that may administer the server.
    pub admin_ids: Vec<SpiffeId>,
    /// Scoped rights; SPIRE's rules without them.
    pub access: Option<AccessSettings>,
    /// Which limits per address are on.
    pub rate_limits: RateSettings,
    /// Whether each call leaves a line in the log (`audit_log_enabled`).
    pub audit_log_enabled: bool,
    /// Whether agents' own IDs are among their selectors.
    pub agent_spiffe_id_as_selector: bool,
    /// Nodes are removed when their SVIDs expired this long ago; never if not set.
    pub prune_nodes: Option<PruneNodesSettings>,
    /// Changes are kept for this long.
    pub prune_events_older_than: Duration,
    /// Who may tell, by the PROXY protocol, for whom it connects.
    pub trusted_proxies: TrustedProxies,
    /// How keys are agreed on with other parties.
    pub key_exchange: KeyExchange,
    /// How the writes of other servers are followed.
    pub following: FollowSettings,
    /// With whom the server federates.
    pub federation: FederationSettings,
    /// What is left out of what agents are told of entries that are not theirs.
    pub explain_redact: Redact,
    /// Where health is told over HTTP.
    pub health: Option<HealthSettings>,
    /// Where Prometheus reads.
    pub prometheus: Option<PrometheusSettings>,
    /// Folder of the audit trail, if one is kept.
    pub audit_directory: Option<PathBuf>,
}

/// How attested nodes are pruned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PruneNodesSettings {
    /// Nodes whose SVID expired this long ago.
    pub expired_for: Duration,
    /// At most so many at once.
    pub batch_size: usize,
    /// Those too that can't attest again.
    pub include_non_reattestable: bool,
}

/// How the writes of other servers are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowSettings {
    /// How long an event of a SPIRE server may be missing before its transaction counts as rolled back.
    pub event_timeout: Duration,
    /// How often everything is read anew.
    pub full_reload_interval: Duration,
}

impl Default for FollowSettings {
    fn default() -> Self {
        Self { event_timeout: Duration::from_mins(15), full_reload_interval: Duration::from_hours(24) }
    }
}

/// What all RPCs and jobs share.
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) entries: Entries,
    pub(crate) audit: Audit,
    pub(crate) sinks: Vec<Arc<State>>,
    pub(crate) denials: Arc<Denials>,
    pub(crate) federation: Federation,
    pub(crate) issuers: Issuers,
    pub(crate) jwt_keys: Arc<JwtKeyPublisher>,
    pub(crate) authorities: Authorities,
    pub(crate) identity: watch::Receiver<Option<Arc<ServerIdentity>>>,
    pub(crate) attestors: HashMap<String, Arc<dyn NodeAttestor>>,
    pub(crate) limits: Limits,
    pub(crate) joins: RecentJoins,
    pub(crate) log: Arc<dyn LogControl>,
    pub(crate) metrics: Arc<dyn CallMetrics>,
    pub(crate) measures: Measures,
    pub(crate) started: Duration,
}

impl Core {
    pub(crate) fn trust_domain(&self) -> &TrustDomain {
        &self.settings.trust_domain
    }

    /// Waits for the turn of `count` items of a call; calls on the private socket don't wait.
    pub(crate) async fn limit(&self, call: &Call, count: usize) -> Result<(), Status> {
        let began = self.clock.monotonic();
        let turn = match &call.caller {
            Caller::Local { .. } => Ok(()),
            Caller::Remote { address, .. } => self.limits.wait(call.row.rate, address.ip(), count).await,
        };
        if self.limits.apply_to(call.row.rate) {
            let code = turn.as_ref().err().map_or(Code::Ok, Status::code);
            self.metrics.turn(call.row, code, self.clock.monotonic().saturating_sub(began));
        }
        turn
    }

    /// Who signs X.509-SVIDs now.
    pub(crate) fn x509_issuer(&self) -> Result<Arc<X509Issuer>, Failure> {
        let issuer = self.issuers.x509.borrow().clone();
        issuer.ok_or_else(|| Failure::new(Code::Unavailable, "X509 CA is not available for signing"))
    }

    /// Who signs JWT-SVIDs now.
    pub(crate) fn jwt_issuer(&self) -> Result<Arc<JwtIssuer>, Failure> {
        let issuer = self.issuers.jwt.borrow().clone();
        issuer.ok_or_else(|| Failure::new(Code::Unavailable, "JWT key is not available for signing"))
    }
}
