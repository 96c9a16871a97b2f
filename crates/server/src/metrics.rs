//! What is counted of authorities and of what they sign.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use steeple_ca::{AuthorityKind, AuthorityMetrics, KeeperError, SvidProfile};
use steeple_clock::Clock;
use steeple_telemetry::label;
use steeple_types::TrustDomain;
use tonic::Code;

use crate::api::status::plugin_code;
use crate::parts::CallMetrics;

/// Counts X.509-SVIDs that were signed.
pub(crate) const X509_SVID_SIGNED: &str = "server_ca_sign_x509_svid";
/// Counts CAs of servers below this one that were signed.
const X509_CA_SIGNED: &str = "server_ca_sign_x509_ca_svid";
/// Counts JWT-SVIDs that were signed.
pub(crate) const JWT_SVID_SIGNED: &str = "server_ca_sign_jwt_svid";

/// Under which key a signed certificate is counted.
pub(crate) fn signed_key(profile: SvidProfile) -> &'static str {
    match profile {
        SvidProfile::Svid => X509_SVID_SIGNED,
        SvidProfile::DownstreamCa => X509_CA_SIGNED,
    }
}

/// Counts what becomes of the authorities of a trust domain.
pub(crate) struct KeptAuthorities {
    pub(crate) trust_domain: TrustDomain,
    pub(crate) metrics: Arc<dyn CallMetrics>,
    pub(crate) clock: Clock,
}

impl AuthorityMetrics for KeptAuthorities {
    fn prepared(&self, kind: AuthorityKind, outcome: Result<(), &KeeperError>, elapsed: Duration) {
        let key = match kind {
            AuthorityKind::X509 => "ca_manager_x509_ca_prepare",
            AuthorityKind::Jwt => "ca_manager_jwt_key_prepare",
        };
        let code = match outcome {
            Ok(()) => Code::Ok,
            Err(KeeperError::Plugin(error)) => plugin_code(error.class),
            Err(_) => Code::Unknown,
        };
        self.metrics.job(key, &[], code, elapsed);
    }

    fn activated(&self, kind: AuthorityKind, not_after: Timestamp) {
        if kind == AuthorityKind::Jwt {
            return self.metrics.count("manager_jwt_key_activate", &[]);
        }
        self.metrics.count("ca_manager_x509_ca_activate", &[]);
        let labels = [("trust_domain_id", label(self.trust_domain.name()))];
        let left = not_after.duration_since(self.clock.now()).as_secs_f64();
        self.metrics.gauge("manager_x509_ca_rotate_expiration", &labels, seconds(not_after));
        self.metrics.gauge("manager_x509_ca_rotate_ttl", &labels, left);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float, which holds seconds of any date exactly")]
fn seconds(time: Timestamp) -> f64 {
    time.as_second() as f64
}
