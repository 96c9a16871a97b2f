//! Publishes JWT keys: in the bundle, and by the upstream authority if that takes keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use steeple_audit::{Actor, EventKind};
use steeple_clock::{Clock, Elapsed};
use steeple_plugin::{ErrorClass, JwtKeyPublication, PluginError, UpstreamAuthority};
use steeple_types::JwtAuthority;
use tracing::{info, warn};

use super::kind::AuthorityKind;
use super::{AuthorityStore, KeeperError};

/// Longest the upstream authority may take to publish a key.
const PUBLISH_DEADLINE: Duration = Duration::from_secs(5);

/// SPIRE's warning of an upstream authority that publishes no JWT keys.
const UNPUBLISHED: &str = "UpstreamAuthority plugin does not support JWT-SVIDs. Workloads managed by this server may have \
                           trouble communicating with workloads outside this cluster when using JWT-SVIDs.";

/// Publishes JWT keys of this server and of those below it.
pub struct JwtKeyPublisher {
    upstream: Option<Arc<dyn UpstreamAuthority>>,
    store: Arc<dyn AuthorityStore>,
    clock: Clock,
    /// Whether it was said that the upstream authority publishes no keys.
    warned: AtomicBool,
}

impl JwtKeyPublisher {
    pub(super) fn new(
        upstream: Option<Arc<dyn UpstreamAuthority>>,
        store: Arc<dyn AuthorityStore>,
        clock: Clock,
    ) -> Self {
        Self { upstream, store, clock, warned: AtomicBool::new(false) }
    }

    /// Publishes `key`; yields all JWT authorities of the bundle.
    ///
    /// # Errors
    /// [`KeeperError`] when upstream authority or datastore did not take it. The key is then not to be used.
    pub async fn publish(&self, key: JwtAuthority) -> Result<Vec<JwtAuthority>, KeeperError> {
        let Some(upstream) = &self.upstream else { return self.append(vec![key]).await };
        let publishing = self.clock.timeout(PUBLISH_DEADLINE, upstream.publish_jwt_key(&key));
        let late = |late: Elapsed| {
            PluginError::new("upstreamauthority", upstream.name(), ErrorClass::Unavailable, late.to_string())
        };
        match publishing.await.unwrap_or_else(|elapsed| Err(late(elapsed)))? {
            JwtKeyPublication::Published(all) => self.append(all).await,
            JwtKeyPublication::Unsupported => {
                if !self.warned.swap(true, Ordering::Relaxed) {
                    warn!(plugin_name = upstream.name(), subsystem_name = "ca_manager", "{UNPUBLISHED}");
                }
                self.append(vec![key]).await
            }
        }
    }

    /// Takes over the JWT keys that the upstream authority tells: new ones are published, tainted ones are marked, and a tainted
    /// one that is told no more is revoked. A taint in the bundle is never taken back.
    pub(super) async fn take_over(&self, told: Vec<JwtAuthority>) -> Result<(), KeeperError> {
        for key in self.known().await? {
            let above = told.iter().find(|told| told.key_id == key.key_id);
            match above {
                Some(above) if above.tainted && !key.tainted => self.taint(&key.key_id).await?,
                None if key.tainted => self.revoke(&key.key_id).await?,
                _ => {}
            }
        }
        let (new, _) = self.unknown(told).await?;
        if !new.is_empty() {
            self.store.take_over(Vec::new(), new).await?;
        }
        Ok(())
    }

    /// Adds to the bundle what it does not have; yields all of its JWT authorities.
    async fn append(&self, keys: Vec<JwtAuthority>) -> Result<Vec<JwtAuthority>, KeeperError> {
        let (new, known) = self.unknown(keys).await?;
        if new.is_empty() {
            return Ok(known);
        }
        Ok(self.store.publish(Vec::new(), new).await?.jwt_authorities)
    }

    /// Those of `keys` that the bundle does not have, and those that it has.
    async fn unknown(&self, keys: Vec<JwtAuthority>) -> Result<(Vec<JwtAuthority>, Vec<JwtAuthority>), KeeperError> {
        let known = self.known().await?;
        let is_new = |key: &JwtAuthority| !known.iter().any(|known| known.key_id == key.key_id);
        Ok((keys.into_iter().filter(is_new).collect(), known))
    }

    async fn known(&self) -> Result<Vec<JwtAuthority>, KeeperError> {
        Ok(self.store.bundle().await?.map(|bundle| bundle.jwt_authorities).unwrap_or_default())
    }

    async fn taint(&self, id: &str) -> Result<(), KeeperError> {
        let (kind, authority_id) = (AuthorityKind::Jwt.name(), id.to_owned());
        let intent = self.store.record(&Actor::Server, EventKind::AuthorityTainted { kind, authority_id }).await?;
        intent.outcome(self.store.taint(AuthorityKind::Jwt, id).await).await?;
        info!(authority_id = id, subsystem_name = "ca_manager", "JWT authority tainted");
        Ok(())
    }

    async fn revoke(&self, id: &str) -> Result<(), KeeperError> {
        let (kind, authority_id) = (AuthorityKind::Jwt.name(), id.to_owned());
        let intent = self.store.record(&Actor::Server, EventKind::AuthorityRevoked { kind, authority_id }).await?;
        intent.outcome(self.store.revoke(AuthorityKind::Jwt, id).await).await?;
        info!(authority_id = id, subsystem_name = "ca_manager", "JWT authority revoked");
        Ok(())
    }
}
