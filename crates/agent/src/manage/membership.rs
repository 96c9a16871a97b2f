//! How the agent becomes part of the trust domain, and what it does to stay.

use std::sync::Arc;
use std::time::Duration;

use steeple_crypto::random;
use steeple_proto::spire::api::types::permission_denied_details::Reason;
use steeple_runtime::Backoff;
use tonic::Status;
use tracing::{debug, error, info, warn};

use super::{Ended, MAX_ATTEST_PAUSE, Manager};
use crate::identity::AgentSvid;
use crate::join::{self, AttestKey, JoinError};
use crate::server::CALL_DEADLINE;
use crate::settings::{Bootstrap, RebootstrapMode};
use crate::state::{Bootstrapping, Remembered};

/// Longest the first attestation is tried.
const ATTEST_FOR: Duration = Duration::from_mins(1);
/// The same of an agent that is to begin anew when it has to.
const REBOOTSTRAP_FOR: Duration = Duration::from_hours(24);

impl Manager {
    /// Makes sure that the agent has an SVID: the one of an earlier run, or a new one.
    pub(crate) async fn join(&mut self) -> Result<(), Ended> {
        self.show_bootstrapping();
        if !self.remembered.svid.is_empty() {
            self.check_rebootstrap(self.remembered.reattestable)?;
        }
        let failed = |error: JoinError| Ended::Join(error.to_string());
        let restored = join::restore(&self.remembered, &self.keys).await.map_err(failed)?.map(Arc::new);
        self.key_in_use = restored.as_ref().map(|svid| svid.key_id.clone());
        let restored = restored.filter(|svid| svid.not_after() > self.core.clock.now());
        let longest = match self.rebootstrap {
            RebootstrapMode::Never => ATTEST_FOR,
            RebootstrapMode::Auto | RebootstrapMode::Always => REBOOTSTRAP_FOR,
        };
        let mut backoff = Backoff::new(Duration::from_secs(5), 1.5, MAX_ATTEST_PAUSE);
        let began = self.core.clock.monotonic();
        // Who never remembered anything may have been killed before the answer came; so may the attempt before this one.
        let Remembered { svid, bundle, bootstrapping, .. } = &self.remembered;
        let mut lost = svid.is_empty() && bundle.is_empty() && !bootstrapping.again;
        loop {
            let joined = match &restored {
                Some(svid) => self.go_on_with(svid).await,
                None => self.attest_first(lost).await,
            };
            let Err(error) = joined else { return self.check_membership() };
            self.attestation_failed(&error)?;
            let pause = backoff.pause(random::fraction());
            let spent = self.core.clock.monotonic().saturating_sub(began);
            if error.is_final() || spent + pause > longest {
                return Err(Ended::Join(error.to_string()));
            }
            warn!(%error, retry_interval = ?pause, "Failed to retrieve attestation result");
            self.core.clock.sleep(pause).await;
            lost = true;
        }
    }

    /// Goes on with the SVID of an earlier run.
    async fn go_on_with(&mut self, svid: &Arc<AgentSvid>) -> Result<(), JoinError> {
        self.load_bundle().await?;
        let trust_domain_id = self.core.settings.trust_domain.id_string();
        info!(spiffe_id = %svid.id, subsystem_name = "attestor", trust_domain_id, "SVID loaded");
        self.show(Arc::clone(svid));
        Ok(())
    }

    /// Attests as an agent that has no SVID.
    async fn attest_first(&mut self, lost: bool) -> Result<(), JoinError> {
        self.load_bundle().await?;
        let before = self.remembered.bootstrapping;
        let trust_domain_id = self.core.settings.trust_domain.id_string();
        if self.remembered.svid.is_empty() {
            debug!(subsystem_name = "attestor", "No pre-existing agent SVID found. Will perform node attestation");
        }
        info!(subsystem_name = "attestor", trust_domain_id, "SVID is not found. Starting node attestation");
        let svid = self.attest_with(lost).await?;
        info!(reattestable = svid.reattestable, spiffe_id = %svid.id, subsystem_name = "attestor", trust_domain_id, "Node attestation was successful");
        self.tell_success(before);
        Ok(())
    }

    /// Makes sure that there is a bundle, and tells so.
    async fn load_bundle(&mut self) -> Result<(), JoinError> {
        let is_missing = self.remembered.bundle.is_empty() && self.core.settings.bootstrap == Bootstrap::Insecure;
        self.trust().await?;
        if is_missing {
            info!(subsystem_name = "attestor", "Bundle is not found");
        } else {
            let trust_domain_id = self.core.settings.trust_domain.id_string();
            info!(subsystem_name = "attestor", trust_domain_id, "Bundle loaded");
        }
        Ok(())
    }

    /// Whether the SVID that was just taken lets the agent begin anew, if it is to be able to.
    fn check_membership(&mut self) -> Result<(), Ended> {
        let reattestable = self.core.tls.svid().is_none_or(|svid| svid.reattestable);
        self.check_rebootstrap(reattestable)
    }

    /// Attests anew, as an agent that has no SVID any more, when it is time to. It goes on to try: workloads are served
    /// meanwhile.
    pub(super) async fn join_again(&mut self) -> Result<(), Ended> {
        if !self.attesting.is_due(self.core.clock.now()) {
            return Ok(());
        }
        let Err(error) = self.attest_first(false).await else {
            // What the lack of an SVID kept from being done is due at once.
            let now = self.core.clock.now();
            (self.sync.next, self.svids.next) = (now, now);
            self.attesting.begin_anew(now, Duration::ZERO);
            return self.check_membership();
        };
        if let Err(error) = self.attestation_failed(&error) {
            error!(%error, subsystem_name = "manager", "Could not remember that the server is unknown");
        }
        if error.is_final() {
            return self.give_up(&error);
        }
        let pause = self.attesting.failed(self.core.clock.now());
        warn!(%error, retry_interval = ?pause, "Failed to retrieve attestation result");
        Ok(())
    }

    /// Ends an agent that may not attest.
    fn give_up(&mut self, error: &JoinError) -> Result<(), Ended> {
        error!(%error, subsystem_name = "manager", "Agent failed re-attestation; removing SVID and shutting down");
        self.forget_svid()?;
        Err(Ended::Join(error.to_string()))
    }

    /// Attests once more, with a new key. The SVID that the agent has stays in force until then.
    async fn attest_again(&mut self) -> Result<(), JoinError> {
        debug!(subsystem_name = "manager", "Reattesting node");
        self.trust().await?;
        let before = self.remembered.bootstrapping;
        let svid = self.attest_with(false).await?;
        info!(spiffe_id = %svid.id, subsystem_name = "manager", "Successfully reattested node");
        self.tell_success(before);
        Ok(())
    }

    /// Attests and takes over the new SVID; with the key of an attempt whose answer never came if one may be `lost`.
    async fn attest_with(&mut self, lost: bool) -> Result<Arc<AgentSvid>, JoinError> {
        let core = Arc::clone(&self.core);
        // A token is good for once: what comes of it must find its place.
        self.memory.check_writable().map_err(|error| JoinError::Failed(error.to_string()))?;
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

    /// Shows `svid` from now on, and remembers it first.
    fn adopt(&mut self, svid: AgentSvid) -> Result<Arc<AgentSvid>, Ended> {
        let bundle = self.bundle_to_remember();
        self.remember(|remembered| {
            let (svid, reattestable) = (svid.chain.clone(), svid.reattestable);
            *remembered = Remembered { svid, bundle, reattestable, bootstrapping: Bootstrapping::OVER };
        })?;
        self.taints.of_agent = false;
        Ok(self.show(Arc::new(svid)))
    }

    fn show(&mut self, svid: Arc<AgentSvid>) -> Arc<AgentSvid> {
        self.key_in_use = Some(svid.key_id.clone());
        *self.core.tls.svid.write() = Some(Arc::clone(&svid));
        self.core.server.renew();
        svid
    }

    fn forget_svid(&mut self) -> Result<(), Ended> {
        self.remember(|remembered| (remembered.svid, remembered.reattestable) = (Vec::new(), false))
    }

    /// Remembers what `change` makes of what is remembered, on disk first.
    pub(super) fn remember(&mut self, change: impl FnOnce(&mut Remembered)) -> Result<(), Ended> {
        let mut next = self.remembered.clone();
        change(&mut next);
        if next != self.remembered {
            self.memory.write(&next).map_err(|error| Ended::Memory(error.to_string()))?;
            self.remembered = next;
        }
        Ok(())
    }

    /// Renews the agent's own SVID when half of its life is over or an authority that it comes from was tainted, by attesting
    /// again where that is the way.
    pub(super) async fn keep_membership(&mut self) -> Result<(), Status> {
        let now = self.core.clock.now();
        let rotation = self.core.settings.rotation();
        let is_due = |svid: &Arc<AgentSvid>| self.taints.of_agent || svid.is_due(rotation, now, random::fraction());
        let Some(current) = self.core.tls.svid().filter(is_due) else {
            return Ok(());
        };
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
        let before = self.remembered.bootstrapping;
        let channel = core.server.channel().map_err(JoinError::Failed)?;
        let renewing = join::renew(channel, &*self.keys, current);
        let svid = core.clock.timeout(CALL_DEADLINE, renewing).await;
        let svid = svid.unwrap_or_else(|_| Err(JoinError::Failed("renewal took too long".to_owned())))?;
        let svid = self.adopt(svid).map_err(|error| JoinError::Failed(error.to_string()))?;
        info!(spiffe_id = %svid.id, subsystem_name = "manager", "Successfully rotated agent SVID");
        self.tell_success(before);
        Ok(())
    }

    /// The server knows this agent no more, or not for now.
    pub(super) async fn denied(&mut self, reason: Reason, error: &str) -> Result<(), Ended> {
        debug!(subsystem_name = "manager", "Stopping SVID rotator");
        if reason == Reason::AgentBanned {
            warn!(error, subsystem_name = "manager", "Agent is banned: removing SVID and shutting down");
            self.forget_svid()?;
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
            self.forget_svid()?;
            return Err(Ended::MustAttest(reason.as_str_name().to_owned()));
        }
        match self.attest_again().await {
            Ok(()) => {
                // What the refusal kept from being done is due at once.
                let now = self.core.clock.now();
                (self.sync.next, self.svids.next) = (now, now);
                Ok(())
            }
            Err(error) if error.is_final() => self.give_up(&error),
            Err(error) => {
                error!(%error, subsystem_name = "manager", "Failed to attest; trying again");
                // An SVID that the server refuses is none: the agent attests before anything else.
                *self.core.tls.svid.write() = None;
                self.attesting.failed(self.core.clock.now());
                self.core.server.renew();
                Ok(())
            }
        }
    }
}
