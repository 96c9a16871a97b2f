//! Operations on agents.

pub(crate) mod activate;
pub(crate) mod attest;
pub(crate) mod ban;
pub(crate) mod delete;
pub(crate) mod join_token;
pub(crate) mod renew;

use jiff::Timestamp;
use steeple_ca::{PreparedX509, SvidProfile, X509Request};
use steeple_crypto::x509::Csr;
use steeple_types::SpiffeId;
use tonic::Code;

use crate::api::status::Failure;
use crate::core::Core;

/// Prepares an agent's SVID for the key of `csr`.
fn prepare_svid(core: &Core, id: &SpiffeId, csr: &Csr, now: Timestamp) -> Result<PreparedX509, Failure> {
    let request = X509Request {
        id: id.clone(),
        public_key: csr.public_key(),
        dns_names: &[],
        ttl: core.settings.agent_ttl,
        subject: None,
        profile: SvidProfile::Svid,
    };
    let prepared = core.x509_issuer()?.prepare(request, now);
    prepared.map_err(|error| Failure::of(Code::Internal, "failed to sign X509 SVID", error))
}
