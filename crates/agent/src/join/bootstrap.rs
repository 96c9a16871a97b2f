//! How the server is trusted at first.

use std::path::Path;

use steeple_crypto::{bundle, pem, x509::Certificate};
use steeple_types::{Bundle, TrustDomain, X509Authority};

use crate::settings::Bootstrap;

/// Largest bundle fetched, in bytes.
const MAX_LENGTH: usize = 8 << 20;

/// The bundle to begin with; `None` when it comes with the first attestation.
///
/// # Errors
/// A text that names what could not be read.
pub(crate) fn bootstrap(
    from: &Bootstrap,
    trust_domain: &TrustDomain,
    remembered: &[Vec<u8>],
) -> Result<Option<Bundle>, String> {
    if !remembered.is_empty() {
        return Ok(Some(of_certificates(trust_domain, remembered.to_vec())));
    }
    match from {
        Bootstrap::PemFile(path) => {
            let certificates = pem::certificates(&read(path)?)
                .map_err(|error| format!("could not parse trust bundle {}: {error}", path.display()))?;
            check(path, &certificates)?;
            Ok(Some(of_certificates(trust_domain, certificates)))
        }
        Bootstrap::SpiffeFile(path) => {
            let bundle = bundle::from_document(trust_domain.clone(), read(path)?.as_bytes())
                .map_err(|error| format!("unable to parse SPIFFE trust bundle {}: {error}", path.display()))?;
            if bundle.x509_authorities.is_empty() {
                return Err(format!("no certificates found in trust bundle {}", path.display()));
            }
            Ok(Some(bundle))
        }
        // Fetched when the agent attests, since a server may come up later than its agents.
        Bootstrap::Url { .. } | Bootstrap::Insecure => Ok(None),
        Bootstrap::Stored => Err("trust bundle not available: none was configured and none is stored".to_owned()),
    }
}

/// Fetches the bundle behind a URL over Web PKI.
///
/// # Errors
/// A text that names what could not be fetched or read.
pub(crate) async fn bundle_of_url(url: &str, spiffe: bool, trust_domain: &TrustDomain) -> Result<Bundle, String> {
    let body = steeple_client::https_get(url, MAX_LENGTH).await.map_err(|error| error.to_string())?;
    if spiffe {
        let bundle = bundle::from_document(trust_domain.clone(), &body);
        return bundle.map_err(|error| format!("unable to parse SPIFFE trust bundle: {error}"));
    }
    let text = String::from_utf8_lossy(&body);
    let certificates =
        pem::certificates(&text).map_err(|error| format!("could not parse trust bundle {url}: {error}"))?;
    check(Path::new(url), &certificates)?;
    Ok(of_certificates(trust_domain, certificates))
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("unable to load trust bundle {}: {error}", path.display()))
}

fn check(path: &Path, certificates: &[Vec<u8>]) -> Result<(), String> {
    if certificates.is_empty() {
        return Err(format!("no certificates found in trust bundle {}", path.display()));
    }
    for der in certificates {
        Certificate::from_der(der).map_err(|error| format!("trust bundle {}: {error}", path.display()))?;
    }
    Ok(())
}

fn of_certificates(trust_domain: &TrustDomain, certificates: Vec<Vec<u8>>) -> Bundle {
    let authority = |certificate| X509Authority { certificate, tainted: false };
    let x509_authorities = certificates.into_iter().map(authority).collect();
    Bundle { x509_authorities, ..Bundle::empty(trust_domain.clone()) }
}
