//! Federation relationships that are asked for.

use steeple_types::{Bundle, EndpointProfile, FederationRelationship, IdError, SpiffeId, TrustDomain};

use crate::crd::{BundleEndpointProfile, BundleEndpointProfileType, ClusterFederatedTrustDomainSpec};

/// Why a ClusterFederatedTrustDomain makes no relationship.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelationshipError {
    /// The trust domain is none.
    #[error("invalid trustDomain value: {value:?}: {reason}")]
    TrustDomain {
        /// What the object says.
        value: String,
        /// The rule that it breaks.
        reason: IdError,
    },
    /// The URL can't be that of a bundle endpoint.
    #[error("invalid bundleEndpointURL value: {value:?}: {reason}")]
    Url {
        /// What the object says.
        value: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// An endpoint authenticated by Web PKI has no SPIFFE ID.
    #[error("invalid bundle endpoint profile endpointSPIFFEID value: not applicable to the \"https_web\" profile")]
    IdOfWeb,
    /// The endpoint's ID is none.
    #[error("invalid bundle endpoint profile endpointSPIFFEID value: {value:?}: {reason}")]
    EndpointId {
        /// What the object says.
        value: String,
        /// The rule that it breaks.
        reason: IdError,
    },
    /// The bundle is none.
    #[error("invalid trustDomainBundle value: {0}")]
    Bundle(String),
}

/// A relationship that an object asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredRelationship {
    /// The relationship.
    pub relationship: FederationRelationship,
    /// The bundle to begin with. It does not count when asked whether the server's relationship is as wanted.
    pub bundle: Option<Bundle>,
}

/// The relationship that a ClusterFederatedTrustDomain is.
///
/// # Errors
/// [`RelationshipError`] names what of the object can't be used.
pub fn relationship(spec: &ClusterFederatedTrustDomainSpec) -> Result<DesiredRelationship, RelationshipError> {
    let trust_domain = TrustDomain::parse(&spec.trust_domain);
    let trust_domain =
        trust_domain.map_err(|reason| RelationshipError::TrustDomain { value: spec.trust_domain.clone(), reason })?;
    check_url(&spec.bundle_endpoint_url)
        .map_err(|reason| RelationshipError::Url { value: spec.bundle_endpoint_url.clone(), reason })?;
    let profile = profile(&spec.bundle_endpoint_profile)?;
    let bundle = match spec.trust_domain_bundle.as_str() {
        "" => None,
        text => Some(
            steeple_crypto::bundle::from_given_document(trust_domain.clone(), text.as_bytes())
                .map_err(|error| RelationshipError::Bundle(error.to_string()))?,
        ),
    };
    let bundle_endpoint_url = spec.bundle_endpoint_url.clone();
    Ok(DesiredRelationship {
        relationship: FederationRelationship { trust_domain, bundle_endpoint_url, profile },
        bundle,
    })
}

fn profile(profile: &BundleEndpointProfile) -> Result<EndpointProfile, RelationshipError> {
    let value = &profile.endpoint_spiffe_id;
    match profile.kind {
        BundleEndpointProfileType::HttpsWeb if value.is_empty() => Ok(EndpointProfile::HttpsWeb),
        BundleEndpointProfileType::HttpsWeb => Err(RelationshipError::IdOfWeb),
        BundleEndpointProfileType::HttpsSpiffe => SpiffeId::parse(value)
            .map(|endpoint_spiffe_id| EndpointProfile::HttpsSpiffe { endpoint_spiffe_id })
            .map_err(|reason| RelationshipError::EndpointId { value: value.clone(), reason }),
    }
}

fn check_url(url: &str) -> Result<(), &'static str> {
    if url.is_empty() {
        return Err("bundle endpoint URL is missing");
    }
    let scheme = url.get(..8).filter(|scheme| scheme.eq_ignore_ascii_case("https://"));
    let rest = scheme.and_then(|_| url.get(8..)).ok_or("scheme must be https")?;
    if url.chars().any(|character| character.is_control() || character == ' ') {
        return Err("it has a blank or a control character");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("cannot contain userinfo");
    }
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    if host.is_empty() { Err("host must be specified") } else { Ok(()) }
}
