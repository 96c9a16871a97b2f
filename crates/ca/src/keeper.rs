//! Keeps a server's authorities: restores them at start, rotates them in time or when asked, publishes who signs.

mod jwt;
mod kind;
mod machine;
mod means;
mod metrics;
mod publisher;
mod requests;
mod restore;
mod taints;
mod x509;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use steeple_audit::{Actor, EventKind, Intent};
use steeple_clock::Clock;
use steeple_crypto::keys::KeyType;
use steeple_crypto::taint::SeenTaints;
use steeple_plugin::{KeyManager, PluginError, UpstreamAuthority};
use steeple_types::{Bundle, JwtAuthority, TrustDomain, X509Authority};
use tokio::sync::watch;
use tracing::error;

use crate::journal::StoredJournal;
use crate::slot::AuthorityStates;
use crate::{CaSubject, IssueError, JwtIssuer, X509Issuer};

use jwt::Jwt;
use machine::Machine;
use means::Means;
use x509::X509;

pub use kind::AuthorityKind;
pub use metrics::AuthorityMetrics;
pub use publisher::JwtKeyPublisher;
pub use requests::RequestError;

/// What the keeper is told by the configuration.
#[derive(Clone, Debug)]
pub struct CaConfig {
    /// Whose authorities.
    pub trust_domain: TrustDomain,
    /// Lifetime of authorities.
    pub ca_ttl: Duration,
    /// Subject of X.509 authorities.
    pub subject: CaSubject,
    /// Kind of X.509 keys.
    pub x509_key_type: KeyType,
    /// Kind of JWT keys.
    pub jwt_key_type: KeyType,
    /// The `iss` of JWT-SVIDs.
    pub jwt_issuer: Option<String>,
    /// Whether JWT-SVIDs are issued at all.
    pub jwt_enabled: bool,
}

/// Where the keeper publishes authorities and keeps its journal.
#[async_trait]
pub trait AuthorityStore: Send + Sync {
    /// All journals.
    async fn journals(&self) -> Result<Vec<StoredJournal>, StoreFailure>;
    /// Stores a journal and yields its row.
    async fn store_journal(&self, journal: StoredJournal) -> Result<i64, StoreFailure>;
    /// The bundle of the trust domain.
    async fn bundle(&self) -> Result<Option<Bundle>, StoreFailure>;
    /// Adds authorities to the bundle of the trust domain; what they are for has been recorded.
    async fn publish(&self, x509: Vec<X509Authority>, jwt: Vec<JwtAuthority>) -> Result<Bundle, StoreFailure>;
    /// Adds authorities of the upstream authority to it, once that is recorded.
    async fn take_over(&self, x509: Vec<X509Authority>, jwt: Vec<JwtAuthority>) -> Result<Bundle, StoreFailure>;
    /// Marks an authority of the bundle as tainted.
    async fn taint(&self, kind: AuthorityKind, authority_id: &str) -> Result<(), StoreFailure>;
    /// Removes a tainted authority from the bundle.
    async fn revoke(&self, kind: AuthorityKind, authority_id: &str) -> Result<(), StoreFailure>;
    /// Records what `by` is about to do with an authority.
    async fn record(&self, by: &Actor, event: EventKind) -> Result<Intent, StoreFailure>;
}

/// The datastore failed; its own words.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct StoreFailure(pub String);

/// Why authorities could not be kept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeeperError {
    /// The key manager or upstream authority failed.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// The datastore failed.
    #[error(transparent)]
    Store(#[from] StoreFailure),
    /// A certificate could not be made.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The journal can't be read.
    #[error("unable to read the CA journal: {0}")]
    Journal(String),
    /// What the upstream authority minted is of no use.
    #[error("upstream authority minted an unusable CA: {0}")]
    Upstream(String),
}

impl From<steeple_crypto::x509::X509Error> for KeeperError {
    fn from(error: steeple_crypto::x509::X509Error) -> Self {
        Self::Issue(error.into())
    }
}

impl From<steeple_crypto::keys::KeyError> for KeeperError {
    fn from(error: steeple_crypto::keys::KeyError) -> Self {
        Self::Issue(error.into())
    }
}

/// Who signs now. `None` as long as nobody does, and forever for JWT when it is disabled.
#[derive(Clone)]
pub struct Issuers {
    /// The X.509 issuer.
    pub x509: watch::Receiver<Option<Arc<X509Issuer>>>,
    /// The JWT issuer.
    pub jwt: watch::Receiver<Option<Arc<JwtIssuer>>>,
}

/// Keeps a server's authorities.
pub struct Keeper {
    means: Means,
    x509: Machine<X509>,
    jwt: Machine<Jwt>,
    /// Taints of the bundle that were acted on.
    seen: SeenTaints,
}

impl Keeper {
    /// Restores what the server had when it stopped: keys in the key manager and slots in the journal.
    ///
    /// # Errors
    /// [`KeeperError`] when keys, journal or bundle can't be read.
    pub async fn restore(
        config: CaConfig,
        keys: Arc<dyn KeyManager>,
        upstream: Option<Arc<dyn UpstreamAuthority>>,
        store: Arc<dyn AuthorityStore>,
        metrics: Arc<dyn AuthorityMetrics>,
        clock: Clock,
    ) -> Result<Self, KeeperError> {
        let restored = restore::restore(&config, &*keys, upstream.is_some(), &*store, clock.now()).await?;
        let jwt_keys = Arc::new(JwtKeyPublisher::new(upstream.clone(), Arc::clone(&store), clock.clone()));
        let (journal, tainted_upstream) = (restored.journal, Vec::new());
        let means = Means { config, keys, upstream, store, metrics, clock, journal, tainted_upstream, jwt_keys };
        let x509 = Machine::new(restored.x509, &means);
        let jwt = Machine::new(restored.jwt, &means);
        Ok(Self { means, x509, jwt, seen: SeenTaints::default() })
    }

    /// Follows who signs.
    pub fn issuers(&self) -> Issuers {
        Issuers { x509: self.x509.issuer(), jwt: self.jwt.issuer() }
    }

    /// Follows what is in the slots of a kind.
    pub fn states(&self, kind: AuthorityKind) -> watch::Receiver<AuthorityStates> {
        match kind {
            AuthorityKind::X509 => self.x509.states(),
            AuthorityKind::Jwt => self.jwt.states(),
        }
    }

    /// Publishes JWT keys, those of servers below this one too.
    pub fn jwt_keys(&self) -> Arc<JwtKeyPublisher> {
        Arc::clone(&self.means.jwt_keys)
    }

    /// Whether an upstream authority signs the X.509 authorities.
    pub fn has_upstream(&self) -> bool {
        self.means.upstream.is_some()
    }

    /// Does what is due. Called at start, and from then on every ten seconds.
    ///
    /// # Errors
    /// [`KeeperError`] of the first thing that failed; what was due stays due.
    pub async fn step(&mut self) -> Result<(), KeeperError> {
        let x509 = self.step_x509().await;
        if let Err(error) = &x509 {
            error!(%error, subsystem_name = "ca_manager", "Unable to rotate X509 CA");
            if self.x509.is_empty() {
                // Without an X.509 authority there is no journal that a JWT authority could be written to.
                return x509;
            }
        }
        let jwt = self.step_jwt().await;
        if let Err(error) = &jwt {
            error!(%error, subsystem_name = "ca_manager", "Unable to rotate JWT key");
        }
        x509.and(jwt)
    }

    async fn step_x509(&mut self) -> Result<(), KeeperError> {
        self.x509.step(&mut self.means).await?;
        self.follow_upstream_taints().await
    }

    async fn step_jwt(&mut self) -> Result<(), KeeperError> {
        if self.means.config.jwt_enabled { self.jwt.step(&mut self.means).await } else { Ok(()) }
    }
}
