//! `NewDownstreamX509CA`: an intermediate CA for a downstream server.

use std::sync::Arc;
use std::time::Duration;

use steeple_ca::{SvidProfile, X509Request};
use steeple_crypto::x509::Csr;
use steeple_proto::spire::api::server::svid::v1 as pb;
use tonic::{Code, Status};

use crate::api::access_log::fields::digest;
use crate::api::call::Call;
use crate::api::status::Failure;
use crate::core::Core;
use crate::ops::svid::issue_x509;

pub(super) async fn handle(
    core: &Arc<Core>,
    call: &Call,
    request: &pb::NewDownstreamX509caRequest,
) -> Result<pb::NewDownstreamX509caResponse, Status> {
    call.asks("csr", digest(&request.csr));
    call.asks("trust_domain_id", core.trust_domain().id_string());
    if call.downstream_entry.is_none() {
        return Err(Failure::new(Code::Internal, "caller is not a downstream workload").into());
    }
    let csr = Csr::from_der(&request.csr).map_err(|error| Failure::malformed("malformed CSR", error))?;
    csr.verify_signature().map_err(|error| Failure::malformed("invalid CSR signature", error))?;
    let ttl = match u64::try_from(request.preferred_ttl) {
        Ok(seconds) if seconds > 0 => Duration::from_secs(seconds),
        _ => core.settings.ca_ttl,
    };
    // Only the key of the request is used; the names are ours.
    let mint = X509Request {
        id: core.trust_domain().id(),
        public_key: csr.public_key(),
        dns_names: &[],
        ttl,
        subject: None,
        profile: SvidProfile::DownstreamCa,
    };
    let entry = call.downstream_entry.clone();
    let svid = issue_x509::issue(core, call.own_actor()?, mint, entry, "failed to sign downstream X.509 CA").await?;
    call.asks("expires_at", svid.expires_at.as_second());
    let trust_domain = core.trust_domain().clone();
    let bundle = core.store.read("bundle.fetch", move |tx| tx.bundle(&trust_domain)).await;
    let bundle = bundle.map_err(|error| Failure::of(Code::Internal, "failed to fetch bundle", error))?;
    let bundle = bundle.ok_or_else(|| Failure::new(Code::NotFound, "bundle not found"))?;
    let x509_authorities = bundle.x509_authorities.into_iter().map(|authority| authority.certificate).collect();
    Ok(pb::NewDownstreamX509caResponse { ca_cert_chain: svid.chain, x509_authorities })
}
