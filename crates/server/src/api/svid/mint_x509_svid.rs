//! `MintX509SVID`: an SVID for a request that an administrator made.

use std::sync::Arc;
use std::time::Duration;

use steeple_ca::{SvidProfile, X509Request};
use steeple_crypto::x509::Csr;
use steeple_policy::access::Object;
use steeple_proto::spire::api::server::svid::v1 as pb;
use steeple_types::SpiffeId;
use tonic::{Code, Status};

use super::x509_to_pb;
use crate::api::access_log::fields::digest;
use crate::api::call::Call;
use crate::api::convert::{check_dns_name, check_wildcard_overlap, workload_id_of};
use crate::api::status::Failure;
use crate::core::Core;
use crate::ops::svid::issue_x509;

pub(super) async fn handle(
    core: &Arc<Core>,
    call: &Call,
    request: &pb::MintX509svidRequest,
) -> Result<pb::MintX509svidResponse, Status> {
    call.asks("csr", digest(&request.csr));
    call.asks("ttl", request.ttl);
    if request.csr.is_empty() {
        return Err(Failure::new(Code::InvalidArgument, "missing CSR").into());
    }
    let csr = Csr::from_der(&request.csr).map_err(|error| Failure::malformed("malformed CSR", error))?;
    csr.verify_signature().map_err(|error| Failure::malformed("failed to verify CSR signature", error))?;
    let id = requested_id(core, &csr)?;
    for name in csr.dns_names() {
        check_dns_name(name).map_err(|error| Failure::malformed("CSR DNS name is invalid", error))?;
    }
    check_wildcard_overlap(csr.dns_names()).map_err(|error| {
        Failure::malformed("CSR DNS name contains a wildcard that covers another non-wildcard name", error)
    })?;
    let ttl = match u64::try_from(request.ttl) {
        Ok(seconds) if seconds > 0 => Duration::from_secs(seconds),
        _ => core.settings.default_x509_svid_ttl,
    };
    let actor = call.may(&[Object::X509Svid { id: &id, ttl, dns_names: csr.dns_names() }])?;
    let mint = X509Request {
        id,
        public_key: csr.public_key(),
        dns_names: csr.dns_names(),
        ttl,
        subject: Some(csr.subject().clone()).filter(|subject| !subject.is_empty()),
        profile: SvidProfile::Svid,
    };
    let svid = issue_x509::issue(core, actor, mint, None, "failed to sign X509-SVID").await?;
    call.asks("spiffe_id", svid.id.as_str());
    call.asks("dns_name", csr.dns_names().join(","));
    call.asks("subject", csr.subject().to_string());
    call.asks("expires_at", svid.expires_at.to_string());
    Ok(pb::MintX509svidResponse { svid: Some(x509_to_pb(svid)) })
}

fn requested_id(core: &Core, csr: &Csr) -> Result<SpiffeId, Failure> {
    let invalid = |error: String| Failure::malformed("CSR URI SAN is invalid", error);
    match csr.uris() {
        [] => Err(Failure::new(Code::InvalidArgument, "CSR URI SAN is required")),
        [uri] => {
            let id = SpiffeId::parse(uri).map_err(|error| invalid(error.to_string()))?;
            workload_id_of(core.trust_domain(), id).map_err(invalid)
        }
        _ => Err(Failure::new(Code::InvalidArgument, "only one URI SAN is expected")),
    }
}
