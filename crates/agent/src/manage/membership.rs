//! How the agent becomes part of the trust domain, and what it does to stay.

use std::sync::Arc;
use std::time::Duration;

use steeple_crypto::random;
use steeple_proto::spire::api::types::permission_denied_details::Reason;
use steeple_runtime::Backoff;
use steeple_types::Bundle;
use tonic::Status;
use tonic::transport::Channel;
use tracing::{debug, error, info, warn};

use super::{Ended, Manager};
use crate::identity::AgentSvid;
use crate::join::{self, Attempt, AttestKey, JoinError};
use crate::server::CALL_DEADLINE;
use crate::settings::Bootstrap;
use crate::state::Remembered;
use crate::sync::bundle_from_pb;

/// Longest the first attestation is tried.
const ATTEST_FOR: Duration = Duration::from_mins(1);

impl Manager {
    /// Makes sure that the agent has an SVID: the one of an earlier run, or a new one.
    pub(crate) async fn join(&mut self, remembered: &Remembered) -> Result<(), Ended> {
        let restored = join::restore(remembered, &self.keys).await.map_err(|error| Ended::Join(error.to_string()))?;
        let now = self.core.clock.now();
        let trust_domain_id = self.core.settings.trust_domain.id_string();
        if restored.is_none() {
            debug!(subsystem_name = "attestor", "No pre-existing agent SVID found. Will perform node attestation");
        }
        if let Some(svid) = restored {
            self.key_in_use = Some(svid.key_id.clone());
            if svid.not_after() > now {
                info!(spiffe_id = %svid.id, subsystem_name = "attestor", trust_domain_id, "SVID loaded");
                self.show(svid);
                return Ok(());
            }
        }
        info!(subsystem_name = "attestor", trust_domain_id, "SVID is not found. Starting node attestation");
        let mut backoff = Backoff::new(Duration::from_secs(5), 1.5, ATTEST_FOR);
        let began = self.core.clock.monotonic();
        // Who never remembered anything may have been killed before the answer came; so may the attempt before this one.
        let mut lost = *remembered == Remembered::default();
        loop {
            let error = match self.attest_with(lost).await {
                Ok(svid) => {
                    info!(reattestable = svid.reattestable, spiffe_id = %svid.id, subsystem_name = "attestor", trust_domain_id, "Node attestation was successful");
                    return Ok(());
                }
                Err(error) => error,
            };
            let pause = backoff.pause(random::fraction());
            let spent = self.core.clock.monotonic().saturating_sub(began);
            if error.is_final() || spent + pause > ATTEST_FOR {
                return Err(Ended::Join(error.to_string()));
            }
            warn!(%error, retry_interval = ?pause, "Failed to retrieve attestation result");
            self.core.clock.sleep(pause).await;
            lost = true;
        }
    }

    /// Attests once more, with a new key. The SVID that the agent has stays in force until then.
    async fn attest_again(&mut self) -> Result<(), JoinError> {
        debug!(subsystem_name = "manager", "Reattesting node");
        let svid = self.attest_with(false).await?;
        info!(spiffe_id = %svid.id, subsystem_name = "manager", "Successfully reattested node");
        Ok(())
    }

    /// Attests and takes over the new SVID; with the key of an attempt whose answer never came if one may be `lost`.
    async fn attest_with(&mut self, lost: bool) -> Result<Arc<AgentSvid>, JoinError> {
        let core = Arc::clone(&self.core);
        // A token is good for once: what comes of it must find its place.
        self.memory.check_writable().map_err(|error| JoinError::Failed(error.to_string()))?;
        self.trust().await?;
        let in_use = self.key_in_use.as_deref();
        let key = if lost && in_use.is_none() { AttestKey::OfLostAttempt } else { AttestKey::New(in_use) };
        let channel = core.server.anonymous().map_err(JoinError::Failed)?;
        let attesting = join::attest(channel, &*self.attestor, &*self.keys, key);
        let began = core.clock.monotonic();
        let svid = core.clock.timeout(CALL_DEADLINE, attesting).await;
        let svid = svid.unwrap_or_else(|_| Err(JoinError::Failed("attestation took too long".to_owned())));
        let elapsed = core.clock.monotonic().saturating_sub(began);
        // SPIRE counts the first attestation apart from those of an agent that had an SVID.
        let attestor = [("attestor", self.attestor.name().to_owned())];
        let is_first = core.tls.svid().is_none();
        let (key, labels): (_, &[_]) =
            if is_first { ("node_attestor_new_svid", &attestor) } else { ("node_attest", &[]) };
        core.metrics.call_of(key, labels, svid.as_ref().err().map_or("OK", JoinError::code), elapsed);
        self.adopt(svid?).map_err(|error| JoinError::Failed(error.to_string()))
    }

    /// Makes sure that there is a bundle to verify the server by.
    async fn trust(&mut self) -> Result<(), JoinError> {
        let core = &self.core;
        if !core.tls.bundle.read().x509_authorities.is_empty() {
            return Ok(());
        }
        let late = || JoinError::Failed("the trust bundle did not come in time".to_owned());
        let bundle = match &core.settings.bootstrap {
            Bootstrap::Insecure => {
                warn!(
                    subsystem_name = "attestor",
                    "Insecure bootstrap enabled; skipping server certificate verification"
                );
                let channel = core.server.unverified().map_err(JoinError::Failed)?;
                core.clock.timeout(CALL_DEADLINE, own_bundle(channel)).await.unwrap_or_else(|_| Err(late()))?
            }
            Bootstrap::Url { url, socket, spiffe } => {
                let attempt = self.attempts.get_or_insert(Attempt { number: 0, began: core.clock.now() });
                attempt.number += 1;
                let source = (url.as_str(), socket.as_deref(), *spiffe);
                let fetching = join::bundle_of_url(source, &core.settings, *attempt);
                let fetched = core.clock.timeout(CALL_DEADLINE, fetching).await.map_err(|_| late())?;
                fetched.map_err(JoinError::Failed)?
            }
            _ => return Err(JoinError::Failed("the trust bundle holds no X.509 authority".to_owned())),
        };
        *core.tls.bundle.write() = bundle;
        Ok(())
    }

    /// Shows `svid` from now on, and remembers it first.
    fn adopt(&mut self, svid: AgentSvid) -> Result<Arc<AgentSvid>, Ended> {
        self.remember(Some(&svid))?;
        self.taints.of_agent = false;
        Ok(self.show(svid))
    }

    fn show(&mut self, svid: AgentSvid) -> Arc<AgentSvid> {
        self.key_in_use = Some(svid.key_id.clone());
        let svid = Arc::new(svid);
        *self.core.tls.svid.write() = Some(Arc::clone(&svid));
        self.core.server.renew();
        svid
    }

    pub(super) fn remember(&self, svid: Option<&AgentSvid>) -> Result<(), Ended> {
        let bundle = self.core.tls.bundle.read();
        let remembered = Remembered {
            svid: svid.map(|svid| svid.chain.clone()).unwrap_or_default(),
            bundle: bundle.x509_authorities.iter().map(|authority| authority.certificate.clone()).collect(),
            reattestable: svid.is_some_and(|svid| svid.reattestable),
        };
        self.memory.write(&remembered).map_err(|error| Ended::Memory(error.to_string()))
    }

    /// Renews the agent's own SVID when half of its life is over or an authority that it comes from was tainted, by attesting
    /// again where that is the way; attests when there is none.
    pub(super) async fn keep_membership(&mut self) -> Result<(), Status> {
        let now = self.core.clock.now();
        let Some(current) = self.core.tls.svid() else {
            return self.attest_again().await.map_err(|error| not_attested(&error));
        };
        if !self.taints.of_agent && !current.is_due(now, random::fraction()) {
            return Ok(());
        }
        let renewed = if current.reattestable { self.attest_again().await } else { self.renew(&current).await };
        let Err(error) = renewed else { return Ok(()) };
        let task = if current.reattestable { "reattest agent" } else { "rotate agent SVID" };
        error!(%error, subsystem_name = "manager", "Could not {task}");
        match error {
            // The SVID that the agent has still holds, unless the server says otherwise.
            JoinError::Refused { status, .. } => Err(status),
            JoinError::Failed(_) => Ok(()),
        }
    }

    async fn renew(&mut self, current: &AgentSvid) -> Result<(), JoinError> {
        debug!(subsystem_name = "manager", "Rotating agent SVID");
        let core = Arc::clone(&self.core);
        if current.not_after() <= core.clock.now() {
            return Err(JoinError::Refused { status: join::denial(Reason::AgentExpired) });
        }
        let channel = core.server.channel().map_err(JoinError::Failed)?;
        let renewing = join::renew(channel, &*self.keys, current);
        let svid = core.clock.timeout(CALL_DEADLINE, renewing).await;
        let svid = svid.unwrap_or_else(|_| Err(JoinError::Failed("renewal took too long".to_owned())))?;
        let svid = self.adopt(svid).map_err(|error| JoinError::Failed(error.to_string()))?;
        info!(spiffe_id = %svid.id, subsystem_name = "manager", "Successfully rotated agent SVID");
        Ok(())
    }

    /// The server knows this agent no more, or not for now.
    pub(super) async fn denied(&mut self, reason: Reason, error: &str) -> Result<(), Ended> {
        debug!(subsystem_name = "manager", "Stopping SVID rotator");
        if reason == Reason::AgentBanned {
            warn!(error, subsystem_name = "manager", "Agent is banned: removing SVID and shutting down");
            self.remember(None)?;
            return Err(Ended::Banned(error.to_owned()));
        }
        let reattestable = self.core.tls.svid().is_none_or(|svid| svid.reattestable);
        warn!(error, subsystem_name = "manager", "Agent needs to re-attest; will attempt to re-attest");
        if !reattestable {
            error!(
                error = "attestation method is not re-attestable",
                subsystem_name = "manager",
                "Agent failed re-attestation; removing SVID and shutting down"
            );
            self.remember(None)?;
            return Err(Ended::MustAttest(reason.as_str_name().to_owned()));
        }
        match self.attest_again().await {
            Ok(()) => {
                // What the refusal kept from being done is due at once.
                let now = self.core.clock.now();
                (self.sync.next, self.svids.next) = (now, now);
                Ok(())
            }
            Err(error) if error.is_final() => {
                error!(%error, subsystem_name = "manager", "Agent failed re-attestation; removing SVID and shutting down");
                self.remember(None)?;
                Err(Ended::Join(error.to_string()))
            }
            Err(error) => {
                error!(%error, subsystem_name = "manager", "Failed to attest; trying again");
                // An SVID that the server refuses is none: the next round attests before anything else.
                *self.core.tls.svid.write() = None;
                self.core.server.renew();
                Ok(())
            }
        }
    }
}

/// What an attempt without an SVID to fall back on came to.
fn not_attested(error: &JoinError) -> Status {
    error!(%error, subsystem_name = "attestor", "Failed to attest");
    match error {
        JoinError::Refused { status } => status.clone(),
        JoinError::Failed(reason) => Status::unavailable(reason.clone()),
    }
}

async fn own_bundle(channel: Channel) -> Result<Bundle, JoinError> {
    use steeple_proto::spire::api::server::bundle::v1::GetBundleRequest;
    use steeple_proto::spire::api::server::bundle::v1::bundle_client::BundleClient;
    let bundle = BundleClient::new(channel).get_bundle(GetBundleRequest::default()).await?.into_inner();
    bundle_from_pb(bundle).ok_or_else(|| JoinError::Failed("the server's bundle can't be read".to_owned()))
}
