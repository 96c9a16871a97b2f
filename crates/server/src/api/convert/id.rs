//! SPIFFE IDs of requests; the texts are SPIRE's.

use steeple_proto::spire::api::types::Spiffeid;
use steeple_types::{SpiffeId, TrustDomain};

/// A SPIFFE ID.
pub(crate) fn id_from_pb(id: Option<&Spiffeid>) -> Result<SpiffeId, String> {
    let id = id.ok_or("request must specify SPIFFE ID")?;
    if id.trust_domain.is_empty() {
        return Err("trust domain is missing".to_owned());
    }
    let trust_domain = TrustDomain::from_name(&id.trust_domain).map_err(|error| error.to_string())?;
    let path = if id.path.is_empty() || id.path.starts_with('/') { id.path.clone() } else { format!("/{}", id.path) };
    SpiffeId::from_path(&trust_domain, &path).map_err(|error| error.to_string())
}

/// A SPIFFE ID in its two parts.
pub(crate) fn id_to_pb(id: &SpiffeId) -> Spiffeid {
    Spiffeid { trust_domain: id.trust_domain_name().to_owned(), path: id.path().to_owned() }
}

/// An ID of the trust domain with a path.
pub(crate) fn member_id(trust_domain: &TrustDomain, id: Option<&Spiffeid>) -> Result<SpiffeId, String> {
    let id = id_from_pb(id)?;
    check_member(trust_domain, &id)?;
    if id.path().is_empty() {
        return Err(format!("\"{id}\" is not a member of trust domain \"{trust_domain}\"; path is empty"));
    }
    Ok(id)
}

/// An ID that a workload may have.
pub(crate) fn workload_id(trust_domain: &TrustDomain, id: Option<&Spiffeid>) -> Result<SpiffeId, String> {
    workload_id_of(trust_domain, id_from_pb(id)?)
}

/// The same for an ID that was read already.
pub(crate) fn workload_id_of(trust_domain: &TrustDomain, id: SpiffeId) -> Result<SpiffeId, String> {
    check_member(trust_domain, &id)?;
    let reason = if id.path().is_empty() {
        "path is empty"
    } else if id.is_reserved() {
        "path is in the reserved namespace"
    } else {
        return Ok(id);
    };
    Err(format!("\"{id}\" is not a workload in trust domain \"{trust_domain}\"; {reason}"))
}

/// An ID of an agent.
pub(crate) fn agent_id(trust_domain: &TrustDomain, id: Option<&Spiffeid>) -> Result<SpiffeId, String> {
    let id = id_from_pb(id)?;
    check_member(trust_domain, &id)?;
    let reason = if id.path().is_empty() {
        "path is empty"
    } else if id.is_agent() {
        return Ok(id);
    } else {
        "path is not in the agent namespace"
    };
    Err(format!("\"{id}\" is not an agent in trust domain \"{trust_domain}\"; {reason}"))
}

fn check_member(trust_domain: &TrustDomain, id: &SpiffeId) -> Result<(), String> {
    if id.member_of(trust_domain) {
        return Ok(());
    }
    Err(format!("\"{id}\" is not a member of trust domain \"{trust_domain}\""))
}
