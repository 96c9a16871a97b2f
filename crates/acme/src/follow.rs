//! The task that has certificates issued: when a client wants one, and before one ends.

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use steeple_clock::Clock;
use steeple_crypto::keys::{KeyError, Signer};
use steeple_crypto::random;
use steeple_runtime::Shutdown;
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use crate::authority::OrderError;
use crate::cache::Cache;
use crate::certificates::{AcmeCertificates, Held};
use crate::challenges::Challenges;
use crate::kept::{self, Kept, UnfitError};
use crate::keys::Keys;
use crate::names::Names;
use crate::renewal;

/// How long the issuing of a first certificate may take.
const FIRST: Duration = Duration::from_mins(5);
/// How long a renewal may take.
const RENEWAL: Duration = Duration::from_mins(10);
/// How long no client makes a new try after one that failed.
const RETRY: Duration = Duration::from_mins(1);
/// Longest sleep, so that a clock that was set shows.
const SLEEP: Duration = Duration::from_hours(1);

/// Issues certificates.
#[async_trait]
pub(crate) trait Issue: Send + Sync {
    /// A certificate of `key` for `domain`: the chain, DER, leaf first. The caller bounds the time.
    ///
    /// # Errors
    /// [`OrderError`].
    async fn issue(&self, domain: &str, key: &dyn Signer) -> Result<Vec<Vec<u8>>, OrderError>;
}

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
enum IssueError {
    #[error("{0}")]
    Key(#[from] KeyError),
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error("the certificate that was issued is of no use: {0}")]
    Unfit(#[from] UnfitError),
    #[error("no certificate within {} s", .0.as_secs())]
    Late(Duration),
}

/// Has certificates issued as long as it runs.
pub struct Follow {
    certificates: AcmeCertificates,
    wanted: mpsc::Receiver<String>,
    renewals: BTreeMap<String, Renewal>,
    issue: Box<dyn Issue>,
    keys: Arc<dyn Keys>,
    cache: Arc<Cache>,
    clock: Clock,
    subsystem: Option<&'static str>,
}

struct Renewal {
    due: Timestamp,
    key: Arc<dyn Signer>,
}

impl Follow {
    /// The certificates of `names`, those that are kept and hold from the beginning; nobody is asked for others yet.
    /// `challenges` are those of `issue`, and `subsystem` stands in the log.
    pub(crate) async fn start(
        names: &Names,
        challenges: Challenges,
        issue: Box<dyn Issue>,
        keys: Arc<dyn Keys>,
        cache: Arc<Cache>,
        clock: Clock,
        subsystem: Option<&'static str>,
    ) -> (AcmeCertificates, Self) {
        let (certificates, wanted) = AcmeCertificates::new(names, challenges, clock.clone());
        let renewals = BTreeMap::new();
        let mut follow =
            Self { certificates: certificates.clone(), wanted, renewals, issue, keys, cache, clock, subsystem };
        for name in names.iter() {
            if let Some(kept) = follow.load(name).await {
                follow.take(name, kept);
            }
        }
        (certificates, follow)
    }

    /// Goes on until the shutdown.
    pub async fn follow(mut self, shutdown: Shutdown) {
        while shutdown.until(self.step()).await.is_some() {}
    }

    async fn step(&mut self) {
        let first = self.renewals.iter().min_by_key(|(_, renewal)| renewal.due);
        let (name, due) = first.map_or((None, Timestamp::MAX), |(name, renewal)| (Some(name.clone()), renewal.due));
        let wait = Duration::try_from(due.duration_since(self.clock.now())).unwrap_or_default().min(SLEEP);
        tokio::select! {
            biased;
            Some(wanted) = self.wanted.recv() => self.obtain(&wanted).await,
            () = self.clock.sleep(wait) => if let Some(name) = name.filter(|_| due <= self.clock.now()) {
                self.renew(&name).await;
            },
        }
    }

    /// Has the first certificate of a name issued, for a client that waits.
    async fn obtain(&mut self, name: &str) {
        match self.certificates.held(name) {
            // Others have waited too.
            Held::Certificate(_) => return,
            Held::Failed(again_at) if self.clock.now() < again_at => return,
            Held::Nothing | Held::Failed(_) => {}
        }
        match self.first(name).await {
            Ok(kept) => self.take(name, kept),
            Err(error) => {
                error!(
                    domain = name,
                    %error,
                    subsystem_name = self.subsystem,
                    "No certificate could be had by ACME; after a minute the next client has it tried again"
                );
                let again_at = self.clock.now().saturating_add(RETRY).unwrap_or(Timestamp::MAX);
                self.certificates.put(name, Held::Failed(again_at));
            }
        }
    }

    async fn first(&self, name: &str) -> Result<Kept, IssueError> {
        let key = self.keys.new_key(name).await?;
        self.issued(name, key, FIRST).await
    }

    /// Renews the certificate of a name, with its key, unless another process has done so.
    async fn renew(&mut self, name: &str) {
        if let Some(kept) = self.load(name).await
            && renewal::due(&kept.leaf, 1.0) > self.clock.now()
        {
            self.take(name, kept);
            return;
        }
        let Some(renewal) = self.renewals.get(name) else { return };
        match self.issued(name, Arc::clone(&renewal.key), RENEWAL).await {
            Ok(kept) => self.take(name, kept),
            Err(error) => {
                let pause = renewal::retry(random::fraction());
                error!(
                    domain = name,
                    %error,
                    retry_interval = steeple_config::format_duration(Duration::from_secs(pause.as_secs())),
                    subsystem_name = self.subsystem,
                    "The certificate could not be renewed by ACME"
                );
                let due = self.clock.now().saturating_add(pause).unwrap_or(Timestamp::MAX);
                if let Some(renewal) = self.renewals.get_mut(name) {
                    renewal.due = due;
                }
            }
        }
    }

    async fn issued(&self, name: &str, key: Arc<dyn Signer>, limit: Duration) -> Result<Kept, IssueError> {
        let issuing = self.issue.issue(name, &*key);
        let chain = self.clock.timeout(limit, issuing).await.map_err(|_| IssueError::Late(limit))??;
        let kept = Kept::of(name, &chain, key, self.clock.now())?;
        info!(
            domain = name,
            expires_at = %kept.leaf.not_after(),
            subsystem_name = self.subsystem,
            "Certificate issued by ACME"
        );
        if let Err(error) = kept::save(&self.cache, name, &chain) {
            // It can be shown all the same.
            let error = steeple_config::os_text(&error);
            warn!(domain = name, error, subsystem_name = self.subsystem, "The certificate could not be kept");
        }
        Ok(kept)
    }

    async fn load(&self, name: &str) -> Option<Kept> {
        match kept::load(&self.cache, &*self.keys, name, self.clock.now()).await {
            Ok(kept) => kept,
            Err(error) => {
                warn!(domain = name, %error, subsystem_name = self.subsystem, "The kept certificate can't be read");
                None
            }
        }
    }

    fn take(&mut self, name: &str, kept: Kept) {
        let due = renewal::due(&kept.leaf, random::fraction());
        self.renewals.insert(name.to_owned(), Renewal { due, key: kept.key });
        self.certificates.put(name, Held::Certificate(kept.certified));
    }
}
