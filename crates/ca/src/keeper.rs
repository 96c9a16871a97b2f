//! Keeps a server's authorities: restores them at start, rotates them in time, publishes who signs.

mod jwt;
mod restore;
mod x509;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use steeple_clock::Clock;
use steeple_crypto::keys::KeyType;
use steeple_plugin::{KeyManager, PluginError, UpstreamAuthority};
use steeple_types::{Bundle, JwtAuthority, TrustDomain, X509Authority};
use tokio::sync::watch;

use crate::journal::{Journal, StoredJournal};
use crate::rotation::{Action, decide};
use crate::slot::Slots;
use crate::{CaSubject, IssueError, JwtIssuer, X509Issuer};

use jwt::JwtSlot;
use x509::X509Slot;

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
    /// Adds authorities to the bundle of the trust domain.
    async fn publish(&self, x509: Vec<X509Authority>, jwt: Vec<JwtAuthority>) -> Result<Bundle, StoreFailure>;
    /// Records that an authority begins to sign, before it does.
    async fn record_activation(&self, kind: &'static str, authority_id: &str) -> Result<(), StoreFailure>;
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
    config: CaConfig,
    keys: Arc<dyn KeyManager>,
    upstream: Option<Arc<dyn UpstreamAuthority>>,
    store: Arc<dyn AuthorityStore>,
    clock: Clock,
    journal: Journal,
    x509: Slots<X509Slot>,
    jwt: Slots<JwtSlot>,
    x509_issuer: watch::Sender<Option<Arc<X509Issuer>>>,
    jwt_issuer: watch::Sender<Option<Arc<JwtIssuer>>>,
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
        clock: Clock,
    ) -> Result<Self, KeeperError> {
        let restored = restore::restore(&config, &*keys, upstream.is_some(), &*store, clock.now()).await?;
        let keeper = Self {
            config,
            keys,
            upstream,
            store,
            clock,
            journal: restored.journal,
            x509: restored.x509,
            jwt: restored.jwt,
            x509_issuer: watch::Sender::new(None),
            jwt_issuer: watch::Sender::new(None),
        };
        keeper.announce_x509();
        keeper.announce_jwt();
        Ok(keeper)
    }

    /// Follows who signs.
    pub fn issuers(&self) -> Issuers {
        Issuers { x509: self.x509_issuer.subscribe(), jwt: self.jwt_issuer.subscribe() }
    }

    /// Does what is due. Called at start, and from then on every ten seconds.
    ///
    /// # Errors
    /// [`KeeperError`] of the first thing that failed; what was due stays due.
    pub async fn step(&mut self) -> Result<(), KeeperError> {
        for action in decide(&self.x509, self.clock.now()) {
            match action {
                Action::Prepare => self.prepare_x509().await?,
                Action::Activate => self.activate_x509().await?,
            }
        }
        if !self.config.jwt_enabled {
            return Ok(());
        }
        for action in decide(&self.jwt, self.clock.now()) {
            match action {
                Action::Prepare => self.prepare_jwt().await?,
                Action::Activate => self.activate_jwt().await?,
            }
        }
        Ok(())
    }

    async fn store_journal(&mut self) -> Result<(), KeeperError> {
        let active_jwt = self.jwt.active.as_ref().map(|slot| slot.authority.key_id.clone()).unwrap_or_default();
        let Some(stored) = self.journal.to_stored(&active_jwt) else {
            tracing::debug!(
                subsystem_name = "ca_manager",
                "There is no active X.509 authority yet. Can't save CA journal in the datastore"
            );
            return Ok(());
        };
        if stored.row == 0 {
            tracing::info!(subsystem_name = "ca_manager", "Creating a new CA journal entry");
        }
        let local_authority_id = stored.active_x509_authority_id.clone();
        self.journal.row = self.store.store_journal(stored).await?;
        tracing::debug!(
            ca_journal_id = self.journal.row,
            local_authority_id,
            subsystem_name = "ca_manager",
            "Successfully stored CA journal entry in datastore"
        );
        Ok(())
    }
}

/// The time as SPIRE's text logs print it, in the words of Go; whole seconds, UTC.
fn logged(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string()
}
