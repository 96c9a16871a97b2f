//! How the agent comes to trust its server, and what it does about a server of an authority that it does not know.

use std::time::Duration;

use steeple_config::format_duration;
use steeple_types::Bundle;
use tonic::transport::Channel;
use tracing::{info, warn};

use super::{Ended, Manager};
use crate::join::{JoinError, LOGGER, bundle_of_file, bundle_of_url, bundle_of_workload_api, of_certificates};
use crate::server::CALL_DEADLINE;
use crate::settings::{Bootstrap, RebootstrapMode};
use crate::state::{Bootstrapping, Remembered};
use crate::sync::bundle_from_pb;

/// Go's zero time, in seconds since 1970.
const ZERO_TIME: f64 = -62_135_596_800.0;

impl Manager {
    /// Makes sure that there is a bundle to verify the server by. As long as none is remembered, it is fetched anew for each
    /// attempt to attest.
    pub(super) async fn trust(&mut self) -> Result<(), JoinError> {
        if !self.remembered.bundle.is_empty() {
            return Ok(());
        }
        let now = self.core.clock.now();
        let begun = self.remember(|remembered| {
            let state = &mut remembered.bootstrapping;
            state.attempts = state.attempts.saturating_add(1);
            state.since.get_or_insert(now);
        });
        begun.map_err(|error| JoinError::Failed(error.to_string()))?;
        self.show_bootstrapping();
        let fetched = self.core.clock.timeout(CALL_DEADLINE, self.first_bundle()).await;
        let late = || JoinError::Failed("the trust bundle did not come in time".to_owned());
        let bundle = fetched.unwrap_or_else(|_| Err(late()))?;
        *self.core.tls.bundle.write() = bundle;
        Ok(())
    }

    /// The bundle of the source that the configuration names.
    async fn first_bundle(&self) -> Result<Bundle, JoinError> {
        let (settings, state) = (&self.core.settings, self.remembered.bootstrapping);
        let bundle = match &settings.bootstrap {
            Bootstrap::PemFile(path) => bundle_of_file(path, false, &settings.trust_domain),
            Bootstrap::SpiffeFile(path) => bundle_of_file(path, true, &settings.trust_domain),
            Bootstrap::Url { url, socket, spiffe } => {
                tell_attempt(state);
                bundle_of_url((url.as_str(), socket.as_deref(), *spiffe), settings, state).await
            }
            Bootstrap::WorkloadApi(endpoint) => {
                tell_attempt(state);
                bundle_of_workload_api(endpoint, &settings.trust_domain).await
            }
            Bootstrap::Insecure => {
                warn!(
                    subsystem_name = "attestor",
                    "Insecure bootstrap enabled; skipping server certificate verification"
                );
                let channel = self.core.server.unverified().map_err(JoinError::Failed)?;
                return own_bundle(channel).await;
            }
        };
        bundle.map_err(JoinError::Failed)
    }

    /// A server was reached that the bundle vouches for: the bundle is remembered, and the wait or the attempts are over.
    pub(super) fn trusted(&mut self) -> Result<(), Ended> {
        let (before, bundle) = (self.remembered.bootstrapping, self.bundle_to_remember());
        self.remember(|remembered| {
            remembered.bundle = bundle;
            remembered.bootstrapping = Bootstrapping::OVER;
        })?;
        self.tell_success(before);
        Ok(())
    }

    /// Tells that what was under way `before` is over.
    pub(super) fn tell_success(&self, before: Bootstrapping) {
        let Some(since) = before.since else { return };
        let took = Duration::try_from(self.core.clock.now().duration_since(since)).unwrap_or_default();
        info!(Logger = LOGGER, "Success after {} attempts={}", format_duration(took), before.attempts);
        info!(Logger = LOGGER, "Setting use.");
        self.show_bootstrapping();
    }

    /// What follows from an attempt to attest that failed: a bundle that does not vouch for the server is fetched anew.
    pub(super) fn attestation_failed(&mut self, error: &JoinError) -> Result<(), Ended> {
        if !error.is_unknown_authority() {
            return Ok(());
        }
        if !self.remembered.bootstrapping.again {
            info!("Trust Bundle and Server don't agree, bootstrapping again");
            return Ok(());
        }
        if self.has_waited_long_enough(None)? {
            self.remember(|remembered| remembered.bundle.clear())?;
            self.begun_anew = true;
        }
        Ok(())
    }

    /// What follows from a call to a server of an unknown authority: when that has lasted long enough, the agent forgets SVID
    /// and bundle, to attest anew. Workloads are served on until that has come to something.
    pub(super) fn server_is_unknown(&mut self) -> Result<(), Ended> {
        if !self.has_waited_long_enough(Some("manager"))? {
            return Ok(());
        }
        let now = self.core.clock.now();
        let bootstrapping = Bootstrapping { again: true, since: Some(now), attempts: 0 };
        self.remember(|remembered| *remembered = Remembered { bootstrapping, ..Remembered::default() })?;
        self.show_bootstrapping();
        *self.core.tls.svid.write() = None;
        *self.core.tls.bundle.write() = of_certificates(&self.core.settings.trust_domain, Vec::new());
        self.core.server.renew();
        (self.begun_anew, self.version_posted) = (true, false);
        self.attesting.begin_anew(now, Duration::ZERO);
        Ok(())
    }

    /// Whether the server has been of an unknown authority for as long as it must be before the agent begins anew, if the
    /// agent is to do so at all. The time is remembered over a restart.
    fn has_waited_long_enough(&mut self, subsystem_name: Option<&str>) -> Result<bool, Ended> {
        if self.rebootstrap == RebootstrapMode::Never {
            return Ok(false);
        }
        let now = self.core.clock.now();
        let since = self.remembered.bootstrapping.since.unwrap_or(now);
        self.remember(|remembered| remembered.bootstrapping.since = Some(since))?;
        self.show_bootstrapping();
        let waited = Duration::try_from(now.duration_since(since)).unwrap_or_default();
        let left = self.core.settings.rebootstrap.delay.saturating_sub(waited);
        if left.is_zero() {
            warn!(subsystem_name, "Trust Bundle and Server don't agree, rebootstrapping");
            return Ok(true);
        }
        let time_left = format_duration(left);
        info!(subsystem_name, time_left, "Trust Bundle and Server don't agree, ignoring for now");
        Ok(false)
    }

    /// Makes sure that an agent that is to begin anew when it has to can attest again.
    pub(super) fn check_rebootstrap(&mut self, reattestable: bool) -> Result<(), Ended> {
        match self.rebootstrap {
            RebootstrapMode::Auto if !reattestable => {
                warn!("{}. Disabling", Ended::CannotRebootstrap);
                self.rebootstrap = RebootstrapMode::Never;
                Ok(())
            }
            RebootstrapMode::Always if !reattestable => Err(Ended::CannotRebootstrap),
            _ => Ok(()),
        }
    }

    /// Shows in the metrics how far the agent is.
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    pub(super) fn show_bootstrapping(&self) {
        let (state, metrics) = (self.remembered.bootstrapping, &self.core.metrics);
        let mode = [("mode", state.mode().to_owned())];
        metrics.gauge("bootstrapped", &[], if state.since.is_none() { 1.0 } else { 0.0 });
        let since = state.since.map_or(ZERO_TIME, |since| since.as_second() as f64);
        metrics.gauge("bootstrap_seconds", &mode, since);
        metrics.gauge("bootstrap_attempts", &mode, f64::from(state.attempts));
    }

    /// The authorities that the server is verified by, as they are remembered.
    pub(super) fn bundle_to_remember(&self) -> Vec<Vec<u8>> {
        let bundle = self.core.tls.bundle.read();
        bundle.x509_authorities.iter().map(|authority| authority.certificate.clone()).collect()
    }
}

async fn own_bundle(channel: Channel) -> Result<Bundle, JoinError> {
    use steeple_proto::spire::api::server::bundle::v1::GetBundleRequest;
    use steeple_proto::spire::api::server::bundle::v1::bundle_client::BundleClient;
    let bundle = BundleClient::new(channel).get_bundle(GetBundleRequest::default()).await?.into_inner();
    bundle_from_pb(bundle).ok_or_else(|| JoinError::Failed("the server's bundle can't be read".to_owned()))
}

fn tell_attempt(state: Bootstrapping) {
    let what = if state.again { "reattestation" } else { "attestation" };
    let (attempts, since) = (state.attempts, state.shown_since());
    info!(Logger = LOGGER, "Server {what} attempt {attempts}. Started {since}.");
}
