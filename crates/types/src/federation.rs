//! Federation relationships.

use crate::{SpiffeId, TrustDomain};

/// How a bundle endpoint proves who it is (SPIFFE Federation, section 5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointProfile {
    /// By Web PKI.
    HttpsWeb,
    /// By an X.509-SVID with this ID.
    HttpsSpiffe {
        /// The ID that the endpoint must present.
        endpoint_spiffe_id: SpiffeId,
    },
}

/// Where the bundle of another trust domain is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FederationRelationship {
    /// The other trust domain.
    pub trust_domain: TrustDomain,
    /// URL of its bundle endpoint, `https` with a host and without user info.
    pub bundle_endpoint_url: String,
    /// How the endpoint is authenticated.
    pub profile: EndpointProfile,
}
