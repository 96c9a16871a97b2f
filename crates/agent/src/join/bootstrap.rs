//! How the server is trusted at first.

use std::path::Path;

use jiff::Timestamp;
use steeple_crypto::{bundle, pem, x509::Certificate};
use steeple_types::{Bundle, TrustDomain, X509Authority};

use crate::settings::{Bootstrap, Settings};

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

/// An attempt to attest, as who serves the bundle on a socket learns of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// The how-manieth it is.
    pub(crate) number: u32,
    /// When the first one was made.
    pub(crate) began: Timestamp,
}

/// Fetches the bundle behind `url`: over Web PKI, or on `socket` with word of the attempt.
///
/// # Errors
/// A text that names what could not be fetched or read.
pub(crate) async fn bundle_of_url(
    (url, socket, spiffe): (&str, Option<&Path>, bool),
    settings: &Settings,
    attempt: Attempt,
) -> Result<Bundle, String> {
    let body = match socket {
        Some(socket) => steeple_client::unix_get(socket, &with_attempt(url, settings, attempt), MAX_LENGTH).await,
        None => steeple_client::https_get(url, MAX_LENGTH).await,
    };
    let body = body.map_err(|error| error.to_string())?;
    let trust_domain = &settings.trust_domain;
    let bundle = if spiffe {
        bundle::from_document(trust_domain.clone(), &body)
            .map_err(|error| format!("unable to parse SPIFFE trust bundle: {error}"))?
    } else {
        let certificates = pem::certificates(&String::from_utf8_lossy(&body))
            .map_err(|error| format!("could not parse trust bundle {url}: {error}"))?;
        check(Path::new(url), &certificates)?;
        of_certificates(trust_domain, certificates)
    };
    if bundle.x509_authorities.is_empty() {
        return Err(format!("no certificates found in trust bundle {url}"));
    }
    Ok(bundle)
}

/// The URL with the parameters that SPIRE's agents add.
fn with_attempt(url: &str, settings: &Settings, attempt: Attempt) -> String {
    let (url, _fragment) = url.split_once('#').unwrap_or((url, ""));
    let began = attempt.began.strftime("%Y-%m-%dT%H:%M:%SZ");
    let parameters = [
        ("spiffe-trust-domain", settings.trust_domain.name().to_owned()),
        ("spire-attest-mode", "bootstrap".to_owned()),
        ("spire-attest-start-time", began.to_string()),
        ("spire-connection-attempts", attempt.number.to_string()),
        ("spire-server-address", settings.server_address.clone()),
        ("spire-server-port", settings.server_port.to_string()),
    ];
    let parameters = parameters.map(|(key, value)| format!("{key}={}", escape(&value))).join("&");
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{parameters}")
}

/// A value as it stands in a query.
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            _ => {
                escaped.push('%');
                escaped.push_str(&hex::encode_upper([byte]));
            }
        }
    }
    escaped
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
