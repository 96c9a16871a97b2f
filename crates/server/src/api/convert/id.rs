//! SPIFFE IDs of requests; the texts are SPIRE's.

use steeple_proto::spire::api::types::Spiffeid;
use steeple_types::{SpiffeId, TrustDomain};

/// A SPIFFE ID.
pub(crate) fn id_from_pb(id: Option<&Spiffeid>) -> Result<SpiffeId, String> {
    let id = id.ok_or("request must specify SPIFFE ID")?;
    let trust_domain = TrustDomain::parse(&id.trust_domain).map_err(|error| error.to_string())?;
    SpiffeId::from_path(&trust_domain, &id.path).map_err(|error| error.to_string())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_by_spire() {
        for (trust_domain, path, read) in [
            ("rig.example", "/w", Ok("spiffe://rig.example/w")),
            ("rig.example", "", Ok("spiffe://rig.example")),
            ("spiffe://rig.example", "/w", Ok("spiffe://rig.example/w")),
            ("spiffe://rig.example/other", "/w", Ok("spiffe://rig.example/w")),
            ("rig.example", "w", Err("path must have a leading slash")),
            ("rig.example", "spire/agent/a", Err("path must have a leading slash")),
            ("rig.example", "/", Err("path cannot have a trailing slash")),
            ("", "/w", Err("trust domain is missing")),
            ("http://rig.example", "/w", Err("scheme is missing or invalid")),
        ] {
            let id = Spiffeid { trust_domain: trust_domain.to_owned(), path: path.to_owned() };
            let found = id_from_pb(Some(&id)).map(|id| id.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), read, "{trust_domain} {path}");
        }
    }
}
