//! What authorities of any kind are made and kept with.

use std::sync::Arc;

use jiff::Timestamp;
use steeple_audit::{Actor, EventKind, Intent};
use steeple_clock::Clock;
use steeple_crypto::x509::Certificate;
use steeple_plugin::{KeyManager, UpstreamAuthority};
use tracing::{debug, info};

use super::kind::{AuthorityKind, Kind};
use super::publisher::JwtKeyPublisher;
use super::{AuthorityMetrics, AuthorityStore, CaConfig, KeeperError};
use crate::journal::Journal;

/// What authorities are made and kept with.
pub(super) struct Means {
    pub(super) config: CaConfig,
    pub(super) keys: Arc<dyn KeyManager>,
    pub(super) upstream: Option<Arc<dyn UpstreamAuthority>>,
    pub(super) store: Arc<dyn AuthorityStore>,
    pub(super) metrics: Arc<dyn AuthorityMetrics>,
    pub(super) clock: Clock,
    pub(super) journal: Journal,
    /// Roots of which the upstream authority has told that they are tainted, until that was acted on.
    pub(super) tainted_upstream: Vec<Certificate>,
    pub(super) jwt_keys: Arc<JwtKeyPublisher>,
}

impl Means {
    /// Records that `by` is about to prepare, activate, taint or revoke an authority.
    pub(super) async fn record(
        &self,
        by: &Actor,
        event: fn(&'static str, String) -> EventKind,
        kind: AuthorityKind,
        authority_id: &str,
    ) -> Result<Intent, KeeperError> {
        Ok(self.store.record(by, event(kind.name(), authority_id.to_owned())).await?)
    }

    /// Stores a changed journal; what is stored is what counts from then on.
    pub(super) async fn keep(&mut self, mut journal: Journal) -> Result<(), KeeperError> {
        if let Some(stored) = journal.to_stored() {
            if stored.row == 0 {
                info!(subsystem_name = "ca_manager", "Creating a new CA journal entry");
            }
            let local_authority_id = stored.active_x509_authority_id.clone();
            journal.row = self.store.store_journal(stored).await?;
            debug!(
                ca_journal_id = journal.row,
                local_authority_id,
                subsystem_name = "ca_manager",
                "Successfully stored CA journal entry in datastore"
            );
        } else {
            debug!(
                subsystem_name = "ca_manager",
                "There is no active X.509 authority yet. Can't save CA journal in the datastore"
            );
        }
        self.journal = journal;
        Ok(())
    }

    /// The journal with another entry.
    pub(super) fn journal_with<K: Kind>(&self, entry: K::Entry) -> Journal {
        let mut journal = self.journal.clone();
        journal.add(entry);
        journal
    }
}

/// The time as SPIRE's text logs print it, in the words of Go; whole seconds, UTC.
pub(super) fn logged(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string()
}
