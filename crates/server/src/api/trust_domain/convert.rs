//! Federation relationships; the texts are SPIRE's.

use http::Uri;
use steeple_proto::spire::api::types;
use steeple_proto::spire::api::types::federation_relationship::BundleEndpointProfile;
use steeple_types::{Bundle, EndpointProfile, FederationRelationship, SpiffeId, TrustDomain};

use crate::api::convert::{bundle_from_pb, bundle_to_pb};

/// The fields of a relationship that `mask` names; all without a mask.
pub(super) fn to_pb(
    relationship: &FederationRelationship,
    bundle: Option<&Bundle>,
    mask: Option<&types::FederationRelationshipMask>,
) -> types::FederationRelationship {
    let with = |field: fn(&types::FederationRelationshipMask) -> bool| mask.is_none_or(field);
    let mut out = types::FederationRelationship {
        trust_domain: relationship.trust_domain.name().to_owned(),
        ..types::FederationRelationship::default()
    };
    if with(|m| m.bundle_endpoint_url) {
        out.bundle_endpoint_url.clone_from(&relationship.bundle_endpoint_url);
    }
    if with(|m| m.bundle_endpoint_profile) {
        out.bundle_endpoint_profile = Some(match &relationship.profile {
            EndpointProfile::HttpsWeb => BundleEndpointProfile::HttpsWeb(types::HttpsWebProfile {}),
            EndpointProfile::HttpsSpiffe { endpoint_spiffe_id } => {
                let endpoint_spiffe_id = endpoint_spiffe_id.to_string();
                BundleEndpointProfile::HttpsSpiffe(types::HttpsspiffeProfile { endpoint_spiffe_id })
            }
        });
    }
    if with(|m| m.trust_domain_bundle) {
        out.trust_domain_bundle = bundle.map(|bundle| bundle_to_pb(bundle, None));
    }
    out
}

/// A relationship of a request and the bundle that came with it. It must be whole even where an update takes parts of it.
pub(super) fn from_pb(
    relationship: &types::FederationRelationship,
) -> Result<(FederationRelationship, Option<Bundle>), String> {
    let trust_domain =
        TrustDomain::parse(&relationship.trust_domain).map_err(|e| format!("failed to parse trust domain: {e}"))?;
    let bundle_endpoint_url = endpoint_url(&relationship.bundle_endpoint_url)?;
    let profile = match &relationship.bundle_endpoint_profile {
        Some(BundleEndpointProfile::HttpsWeb(_)) => EndpointProfile::HttpsWeb,
        Some(BundleEndpointProfile::HttpsSpiffe(profile)) => EndpointProfile::HttpsSpiffe {
            endpoint_spiffe_id: SpiffeId::parse(&profile.endpoint_spiffe_id)
                .map_err(|error| format!("failed to parse endpoint SPIFFE ID: {error}"))?,
        },
        None => return Err("unsupported bundle endpoint profile type: <nil>".to_owned()),
    };
    let bundle = relationship.trust_domain_bundle.as_ref().map(bundle_from_pb).transpose();
    let bundle = bundle.map_err(|error| format!("failed to parse bundle: {error}"))?;
    if let Some(bundle) = bundle.as_ref().filter(|bundle| bundle.trust_domain != trust_domain) {
        return Err(format!(
            "trust domain bundle ({:?}) must match the trust domain of the federation relationship ({:?})",
            bundle.trust_domain.name(),
            trust_domain.name()
        ));
    }
    Ok((FederationRelationship { trust_domain, bundle_endpoint_url, profile }, bundle))
}

/// A URL of `https` with a host and without user info.
fn endpoint_url(text: &str) -> Result<String, String> {
    let invalid = |reason: &str| format!("bundle endpoint URL {reason}");
    let rest = text.split_once("://").filter(|(scheme, _)| scheme.eq_ignore_ascii_case("https"));
    let (_, rest) = rest.ok_or_else(|| invalid("must use the https scheme"))?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    if host.is_empty() {
        return Err(invalid("must specify the host"));
    }
    if user.is_some() {
        return Err(invalid("must not contain user info"));
    }
    let _url: Uri = text.parse().map_err(|error| format!("failed to parse bundle endpoint URL: {error}"))?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::endpoint_url;

    #[test]
    fn endpoints_are_https_urls_with_a_host() {
        assert_eq!(endpoint_url("https://a.example:8443/b").unwrap(), "https://a.example:8443/b");
        for (bad, reason) in [
            ("", "must use the https scheme"),
            ("a.example/b", "must use the https scheme"),
            ("http://a.example", "must use the https scheme"),
            ("https:///b", "must specify the host"),
            ("https://u:p@a.example", "must not contain user info"),
        ] {
            assert_eq!(endpoint_url(bad).unwrap_err(), format!("bundle endpoint URL {reason}"), "{bad}");
        }
        assert!(endpoint_url("https://a b").unwrap_err().starts_with("failed to parse bundle endpoint URL"));
    }
}
