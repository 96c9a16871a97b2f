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

/// A relationship of a request and the bundle that came with it. Fields that `mask` leaves out are not looked at.
pub(super) fn from_pb(
    relationship: &types::FederationRelationship,
    mask: types::FederationRelationshipMask,
) -> Result<(FederationRelationship, Option<Bundle>), String> {
    let trust_domain =
        TrustDomain::parse(&relationship.trust_domain).map_err(|e| format!("failed to parse trust domain: {e}"))?;
    let bundle_endpoint_url =
        if mask.bundle_endpoint_url { endpoint_url(&relationship.bundle_endpoint_url)? } else { String::new() };
    let profile = match (mask.bundle_endpoint_profile, &relationship.bundle_endpoint_profile) {
        (false, _) | (true, Some(BundleEndpointProfile::HttpsWeb(_))) => EndpointProfile::HttpsWeb,
        (true, Some(BundleEndpointProfile::HttpsSpiffe(profile))) => EndpointProfile::HttpsSpiffe {
            endpoint_spiffe_id: SpiffeId::parse(&profile.endpoint_spiffe_id)
                .map_err(|error| format!("failed to parse endpoint SPIFFE ID: {error}"))?,
        },
        (true, None) => return Err("unsupported bundle endpoint profile type: <nil>".to_owned()),
    };
    let bundle = match &relationship.trust_domain_bundle {
        Some(bundle) if mask.trust_domain_bundle => {
            let bundle = bundle_from_pb(bundle).map_err(|error| format!("failed to parse bundle: {error}"))?;
            if bundle.trust_domain != trust_domain {
                return Err(format!(
                    "trust domain bundle ({:?}) must match the trust domain of the federation relationship ({:?})",
                    bundle.trust_domain.name(),
                    trust_domain.name()
                ));
            }
            Some(bundle)
        }
        _ => None,
    };
    Ok((FederationRelationship { trust_domain, bundle_endpoint_url, profile }, bundle))
}

/// A URL of `https` with a host and without user info.
fn endpoint_url(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("bundle endpoint URL is required".to_owned());
    }
    let invalid = |reason: &str| format!("bundle endpoint URL {reason}");
    let url: Uri = text.parse().map_err(|error| format!("failed to parse bundle endpoint URL: {error}"))?;
    if url.scheme_str() != Some("https") {
        return Err(invalid("must use the https scheme"));
    }
    let authority = url.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    if authority.contains('@') {
        return Err(invalid("must not contain user info"));
    }
    if url.host().unwrap_or_default().is_empty() {
        return Err(invalid("must specify the host"));
    }
    Ok(text.to_owned())
}
