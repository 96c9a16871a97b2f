//! The agent's main loop: it keeps its own SVID, what it knows of entries and bundles, and the workloads' SVIDs fresh.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use steeple_crypto::random;
use steeple_plugin::{AgentNodeAttestor, KeyManager};
use steeple_proto::spire::api::server::agent::v1 as pb;
use steeple_proto::spire::api::server::agent::v1::agent_client::AgentClient;
use steeple_proto::spire::api::types::permission_denied_details::Reason;
use steeple_runtime::{Backoff, Shutdown};
use steeple_types::Bundle;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tracing::{debug, error, info, warn};

use crate::core::Core;
use crate::identity::AgentSvid;
use crate::join::{self, AttestKey, JoinError, denial_reason};
use crate::server::{CALL_DEADLINE, with_causes};
use crate::state::{Memory, Remembered};
use crate::svid::renew_svids;
use crate::sync::{bundle_from_pb, fetch_bundles, fetch_entries};

/// Longest the first attestation is tried.
const ATTEST_FOR: Duration = Duration::from_mins(1);
/// Longest pause after failures.
const MAX_PAUSE: Duration = Duration::from_mins(8);

/// Why an agent had to stop.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Ended {
    /// It could not attest.
    #[error("{0}")]
    Join(String),
    /// The server banned it.
    #[error("agent is banned")]
    Banned,
    /// It must attest anew, and its attestor can't.
    #[error("agent must attest again, which its node attestor can't: {0}")]
    MustAttest(String),
    /// Its memory can't be written.
    #[error("unable to store the agent's data: {0}")]
    Memory(String),
}

/// What the loop works with.
pub(crate) struct Manager {
    pub(crate) core: Arc<Core>,
    pub(crate) memory: Memory,
    pub(crate) keys: Arc<dyn KeyManager>,
    pub(crate) attestor: Arc<dyn AgentNodeAttestor>,
    /// Whether the first server that answers is believed.
    pub(crate) believes_anybody: bool,
}

impl Manager {
    /// Makes sure that the agent has an SVID: the one of an earlier run, or a new one.
    pub(crate) async fn join(&mut self, remembered: &Remembered) -> Result<(), Ended> {
        let restored = join::restore(remembered, &self.keys).await.map_err(|error| Ended::Join(error.to_string()))?;
        let now = self.core.clock.now();
        if let Some(svid) = restored.filter(|svid| svid.not_after() > now) {
            info!(spiffe_id = %svid.id, subsystem_name = "attestor", "SVID is available. Skipping node attestation");
            self.show(svid);
            return Ok(());
        }
        info!(subsystem_name = "attestor", "SVID is not found. Starting node attestation");
        let mut backoff = Backoff::new(Duration::from_secs(5), 1.5, ATTEST_FOR);
        let began = self.core.clock.monotonic();
        // Who never remembered anything may have been killed before the answer came; so may the attempt before this one.
        let mut key =
            if *remembered == Remembered::default() { AttestKey::OfLostAttempt } else { AttestKey::New(None) };
        loop {
            let error = match self.attest(key).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let pause = backoff.pause(random::fraction());
            let spent = self.core.clock.monotonic().saturating_sub(began);
            if error.is_final() || spent + pause > ATTEST_FOR {
                return Err(Ended::Join(error.to_string()));
            }
            error!(%error, retry_interval = ?pause, subsystem_name = "attestor", "Failed to attest");
            self.core.clock.sleep(pause).await;
            key = AttestKey::OfLostAttempt;
        }
    }

    /// Attests and takes over the new SVID.
    async fn attest(&self, key: AttestKey<'_>) -> Result<(), JoinError> {
        let core = &self.core;
        // A token is good for once: what comes of it must find its place.
        self.memory.check_writable().map_err(|error| JoinError::Failed(error.to_string()))?;
        // Who has to attest shows no SVID: the one that it has may be what the server refuses.
        *core.tls.svid.write() = None;
        core.server.renew();
        let channel = if self.believes_anybody && core.tls.bundle.read().x509_authorities.is_empty() {
            warn!(subsystem_name = "attestor", "Insecure bootstrap enabled; skipping server certificate verification");
            let channel = core.server.unverified().map_err(JoinError::Failed)?;
            *core.tls.bundle.write() = own_bundle(channel).await?;
            core.server.channel().map_err(JoinError::Failed)?
        } else {
            core.server.channel().map_err(JoinError::Failed)?
        };
        let attesting = join::attest(channel, &*self.attestor, &*self.keys, key);
        let svid = core.clock.timeout(CALL_DEADLINE, attesting).await;
        let svid = svid.unwrap_or_else(|_| Err(JoinError::Failed("attestation took too long".to_owned())))?;
        info!(reattestable = svid.reattestable, spiffe_id = %svid.id, subsystem_name = "attestor", "Node attestation was successful");
        self.adopt(svid).map_err(|error| JoinError::Failed(error.to_string()))
    }

    /// Shows `svid` from now on, and remembers it first.
    fn adopt(&self, svid: AgentSvid) -> Result<(), Ended> {
        self.remember(Some(&svid))?;
        self.show(svid);
        Ok(())
    }

    fn show(&self, svid: AgentSvid) {
        *self.core.tls.svid.write() = Some(Arc::new(svid));
        self.core.server.renew();
    }

    /// Attests with a new key, in place of the SVID that is in use.
    async fn attest_again(&self) -> Result<(), JoinError> {
        let in_use = self.core.tls.svid().map(|svid| svid.key_id.clone());
        self.attest(AttestKey::New(in_use.as_deref())).await
    }

    fn remember(&self, svid: Option<&AgentSvid>) -> Result<(), Ended> {
        let bundle = self.core.tls.bundle.read();
        let remembered = Remembered {
            svid: svid.map(|svid| svid.chain.clone()).unwrap_or_default(),
            bundle: bundle.x509_authorities.iter().map(|authority| authority.certificate.clone()).collect(),
            reattestable: svid.is_some_and(|svid| svid.reattestable),
        };
        self.memory.write(&remembered).map_err(|error| Ended::Memory(error.to_string()))
    }

    /// Keeps everything fresh until the shutdown.
    pub(crate) async fn run(self, shutdown: Shutdown) -> Result<(), Ended> {
        let interval = self.core.settings.sync_interval;
        let mut backoff = Backoff::new(interval, 1.5, MAX_PAUSE.min(interval * 48));
        let mut version_posted = false;
        loop {
            let outcome = self.refresh(&mut version_posted).await;
            let pause = match outcome {
                Ok(()) => {
                    *self.core.last_sync.lock() = self.core.clock.now().as_second();
                    backoff.reset();
                    interval
                }
                Err(status) => {
                    self.handle(&status).await?;
                    backoff.pause(random::fraction())
                }
            };
            if self.wait(pause, &shutdown).await.is_none() {
                return Ok(());
            }
        }
    }

    /// Waits, and meanwhile fetches what somebody asks for; `None` when the shutdown came.
    async fn wait(&self, pause: Duration, shutdown: &Shutdown) -> Option<()> {
        let core = &self.core;
        let until = core.clock.now() + pause;
        loop {
            tokio::select! {
                () = shutdown.triggered() => return None,
                () = core.clock.sleep_until(until) => return Some(()),
                () = core.cache.wanted() => {}
            }
            let Ok(channel) = core.server.channel() else { continue };
            let renewing = renew_svids(&channel, &core.cache, core.settings.workload_key_type, core.clock.now());
            if let Ok(Err(status)) = core.clock.timeout(CALL_DEADLINE, renewing).await {
                warn!(error = with_causes(&status), subsystem_name = "manager", "Failed to fetch wanted SVIDs");
            }
        }
    }

    async fn refresh(&self, version_posted: &mut bool) -> Result<(), Status> {
        let core = &self.core;
        if let Some(svid) = core.tls.svid()
            && svid.is_due(core.clock.now())
        {
            self.rotate(&svid).await?;
        }
        let channel = core.server.channel().map_err(Status::unavailable)?;
        let late = || Status::deadline_exceeded("server did not answer in time");
        if !*version_posted {
            let request = pb::PostStatusRequest { agent_version: core.settings.version.clone(), ..Default::default() };
            let mut client = AgentClient::new(channel.clone());
            let posting = client.post_status(request);
            let posted = core.clock.timeout(CALL_DEADLINE, posting).await.unwrap_or_else(|_| Err(late()));
            match posted {
                // Servers before 1.14 don't know the call, and refuse what they don't know.
                Err(status) if denial_reason(&status).is_none() && status.code() != Code::Unavailable => {
                    debug!(error = with_causes(&status), subsystem_name = "manager", "Server took no agent version");
                }
                other => {
                    other?;
                }
            }
            *version_posted = true;
        }
        let known = core.cache.snapshot().entries();
        let entries = core.clock.timeout(CALL_DEADLINE, fetch_entries(channel.clone(), &known)).await;
        let entries = entries.unwrap_or_else(|_| Err(late()))?;
        let federated: BTreeSet<_> = entries.values().flat_map(|entry| entry.federates_with.iter().cloned()).collect();
        let bundles = core.clock.timeout(CALL_DEADLINE, fetch_bundles(channel.clone(), federated)).await;
        let bundles = bundles.unwrap_or_else(|_| Err(late()))?;
        if let Some(own) = bundles.get(&core.settings.trust_domain) {
            self.follow(own)?;
        }
        for (id, entry) in entries.iter().filter(|(id, _)| !known.contains_key(*id)) {
            debug!(entry = %id, selectors_added = entry.selectors.len(), spiffe_id = %entry.spiffe_id, subsystem_name = "cache_manager", "Entry created");
        }
        core.cache.take_over(&entries, bundles);
        let renewing = renew_svids(&channel, &core.cache, core.settings.workload_key_type, core.clock.now());
        core.clock.timeout(CALL_DEADLINE, renewing).await.unwrap_or_else(|_| Err(late()))
    }

    /// Believes the own bundle as the server tells it now, and remembers it.
    fn follow(&self, own: &Bundle) -> Result<(), Status> {
        if *self.core.tls.bundle.read() == *own {
            return Ok(());
        }
        *self.core.tls.bundle.write() = own.clone();
        self.remember(self.core.tls.svid().as_deref()).map_err(|error| Status::internal(error.to_string()))
    }

    /// Renews the agent's own SVID, by attesting again where that is the way.
    async fn rotate(&self, current: &AgentSvid) -> Result<(), Status> {
        debug!(subsystem_name = "svid_rotator", "Rotating agent SVID");
        let renewed = if current.reattestable {
            self.attest_again().await
        } else {
            let channel = self.core.server.channel().map_err(Status::unavailable)?;
            match join::renew(channel, &*self.keys, current).await {
                Ok(svid) => {
                    info!(spiffe_id = %svid.id, subsystem_name = "svid_rotator", "Successfully rotated agent SVID");
                    self.adopt(svid).map_err(|error| JoinError::Failed(error.to_string()))
                }
                Err(error) => Err(error),
            }
        };
        let Err(error) = renewed else { return Ok(()) };
        // A failed renewal keeps the SVID that still holds.
        if self.core.tls.svid().is_none() {
            self.restore_current(current).await;
        }
        if let Some(reason) = error.reason() {
            return Err(denied(reason));
        }
        error!(%error, subsystem_name = "svid_rotator", "Failed to rotate agent SVID");
        if current.not_after() <= self.core.clock.now() {
            return Err(Status::unavailable(error.to_string()));
        }
        Ok(())
    }

    async fn restore_current(&self, current: &AgentSvid) {
        let Ok(Some(key)) = self.keys.key(&current.key_id).await else { return };
        let restored = AgentSvid::new(current.chain.clone(), key.signer, current.key_id.clone(), current.reattestable);
        *self.core.tls.svid.write() = restored.map(Arc::new);
        self.core.server.renew();
    }

    /// What a failed call means for the agent: nothing yet, attest again, or stop.
    async fn handle(&self, status: &Status) -> Result<(), Ended> {
        error!(error = with_causes(status), subsystem_name = "manager", "Synchronize failed");
        let Some(reason) = denial_reason(status) else {
            // A connection that failed is made anew.
            if status.code() == Code::Unavailable || status.code() == Code::Unknown {
                self.core.server.renew();
            }
            return Ok(());
        };
        if reason == Reason::AgentBanned {
            warn!("Agent is banned: removing SVID and shutting down");
            self.remember(None)?;
            return Err(Ended::Banned);
        }
        let reattestable = self.core.tls.svid().is_none_or(|svid| svid.reattestable);
        if !reattestable {
            warn!("Agent needs to re-attest; removing SVID and shutting down");
            self.remember(None)?;
            return Err(Ended::MustAttest(format!("{reason:?}")));
        }
        warn!("Agent needs to re-attest; will attempt to re-attest");
        match self.attest_again().await {
            Err(error) if error.is_final() => Err(Ended::Join(error.to_string())),
            Err(error) => {
                error!(%error, subsystem_name = "attestor", "Failed to attest");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

/// A denial as the server would have told it.
fn denied(reason: Reason) -> Status {
    use prost::Message;
    use steeple_proto::spire::api::types::PermissionDeniedDetails;
    let any = prost_types::Any {
        type_url: "type.googleapis.com/spire.api.types.PermissionDeniedDetails".to_owned(),
        value: PermissionDeniedDetails { reason: reason.into() }.encode_to_vec(),
    };
    let details = steeple_proto::google::rpc::Status {
        code: Code::PermissionDenied.into(),
        message: String::new(),
        details: vec![any],
    };
    Status::with_details(Code::PermissionDenied, "agent was denied", details.encode_to_vec().into())
}

async fn own_bundle(channel: Channel) -> Result<Bundle, JoinError> {
    use steeple_proto::spire::api::server::bundle::v1::GetBundleRequest;
    use steeple_proto::spire::api::server::bundle::v1::bundle_client::BundleClient;
    let bundle = BundleClient::new(channel).get_bundle(GetBundleRequest::default()).await?.into_inner();
    bundle_from_pb(bundle).ok_or_else(|| JoinError::Failed("the server's bundle can't be read".to_owned()))
}
