//! One fetch of a bundle from its endpoint (SPIFFE Federation, section 5.2).

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::sign::CertifiedKey;
use steeple_client::{GetError, HttpsTrust, get_over_https};
use steeple_clock::Clock;
use steeple_crypto::bundle::{BundleError, from_document};
use steeple_crypto::tls::{KeyExchange, ServerVerification, TlsSource, client_config};
use steeple_crypto::x509::Certificate;
use steeple_types::{Bundle, EndpointProfile, FederationRelationship, TrustDomain};

use super::origin::other_origin;

/// Longest that a fetch may take, from the first packet to the last byte of the document.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Largest document taken, in bytes: hundreds of authorities, and no more than agents take.
const MAX_DOCUMENT: usize = 1 << 20;

/// Why a bundle could not be fetched; the texts are SPIRE's where it has them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("failed to fetch bundle: {0}")]
    Get(GetError),
    #[error("failed to fetch bundle: Get \"{0}\": no whole answer within {seconds} s", seconds = PATIENCE.as_secs())]
    Late(String),
    #[error(
        "failed to authenticate bundle endpoint using web authentication but the server certificate contains SPIFFE ID {id:?}: \
         maybe use https_spiffe instead of https_web: {reason}"
    )]
    ShowsSvid { id: String, reason: GetError },
    #[error("unexpected status {} fetching bundle: {said}", .status.as_u16())]
    Status { status: http::StatusCode, said: String },
    #[error("failed to decode bundle: {0}")]
    Json(serde_json::Error),
    #[error(transparent)]
    Document(BundleError),
    #[error("the bundle is that of trust domain {found:?}, not of {expected:?}")]
    OtherOrigin { found: String, expected: String },
    #[error("{0}")]
    Interrupted(String),
}

/// Fetches the bundle of a relationship. `endpoint` is the bundle by which an endpoint that shows an X.509-SVID is verified.
pub(super) async fn fetch(
    relationship: &FederationRelationship,
    endpoint: Option<Bundle>,
    exchange: KeyExchange,
    clock: &Clock,
) -> Result<Bundle, FetchError> {
    let url = &relationship.bundle_endpoint_url;
    let document = clock.timeout(PATIENCE, document(relationship, endpoint, exchange, clock)).await;
    let document = document.map_err(|_late| FetchError::Late(url.clone()))??;
    let trust_domain = relationship.trust_domain.clone();
    // Thousands of keys take their time.
    let read = tokio::task::spawn_blocking(move || {
        let bundle = from_document(trust_domain, &document)?;
        let origin = other_origin(&bundle);
        Ok::<_, BundleError>((bundle, origin))
    });
    let read = read.await.map_err(|error| FetchError::Interrupted(error.to_string()))?;
    let (bundle, origin) = read.map_err(|error| match error {
        BundleError::Json(error) => FetchError::Json(error),
        error => FetchError::Document(error),
    })?;
    match origin {
        None => Ok(bundle),
        Some(found) => {
            let expected = bundle.trust_domain.to_string();
            Err(FetchError::OtherOrigin { found: found.to_string(), expected })
        }
    }
}

async fn document(
    relationship: &FederationRelationship,
    endpoint: Option<Bundle>,
    exchange: KeyExchange,
    clock: &Clock,
) -> Result<Vec<u8>, FetchError> {
    let url = &relationship.bundle_endpoint_url;
    let failed = |reason: String| FetchError::Get(GetError::Failed { url: url.clone(), reason });
    let trust = match &relationship.profile {
        EndpointProfile::HttpsWeb => {
            let trust = tokio::task::spawn_blocking(HttpsTrust::web_pki).await;
            trust.map_err(|error| FetchError::Interrupted(error.to_string()))?.map_err(failed)?
        }
        EndpointProfile::HttpsSpiffe { endpoint_spiffe_id } => {
            let source = Arc::new(Endpoint { bundle: endpoint, now: clock.now() });
            let config = client_config(source, ServerVerification::Id(endpoint_spiffe_id.clone()), exchange);
            HttpsTrust::of(config.map_err(|error| failed(error.to_string()))?)
        }
    };
    get_over_https(url, &trust, MAX_DOCUMENT).await.map_err(|error| match (error, shown_id(&trust)) {
        (GetError::Status { status, said }, _) => FetchError::Status { status, said },
        (reason @ GetError::Failed { .. }, Some(id)) => FetchError::ShowsSvid { id, reason },
        (error, _) => FetchError::Get(error),
    })
}

/// The SPIFFE ID of an endpoint that Web PKI did not vouch for.
fn shown_id(trust: &HttpsTrust) -> Option<String> {
    let certificate = Certificate::from_der(&trust.refused()?).ok()?;
    certificate.spiffe_id().ok().map(|id| id.to_string())
}

/// An endpoint that shows an X.509-SVID is verified by one bundle; this side shows nothing.
struct Endpoint {
    bundle: Option<Bundle>,
    now: Timestamp,
}

impl TlsSource for Endpoint {
    fn identity(&self) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn authorities(&self, trust_domain: &TrustDomain) -> Vec<Vec<u8>> {
        let bundle = self.bundle.iter().find(|bundle| bundle.trust_domain == *trust_domain);
        let authorities = bundle.into_iter().flat_map(|bundle| &bundle.x509_authorities);
        authorities.map(|authority| authority.certificate.clone()).collect()
    }

    fn now(&self) -> Timestamp {
        self.now
    }
}
