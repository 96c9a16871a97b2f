//! The bundle that the server is trusted by at first, from the source that the configuration names.

use std::path::Path;

use steeple_client::{WorkloadEndpoint, workload_request};
use steeple_crypto::{bundle, pem, x509::Certificate};
use steeple_proto::workload::X509BundlesRequest;
use steeple_proto::workload::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use steeple_types::{Bundle, TrustDomain, X509Authority};
use tonic::Status;
use tracing::debug;

use crate::settings::Settings;
use crate::state::Bootstrapping;

/// Who tells of bundles and of the attempts to fetch them, in the log of SPIRE's agents.
pub(crate) const LOGGER: &str = "TrustBundleSources";

/// Largest bundle fetched, in bytes.
const MAX_LENGTH: usize = 8 << 20;

/// The bundle in the file at `path`: a bundle document if it is `spiffe`, otherwise PEM.
///
/// # Errors
/// A text that names the file and what is wrong with it.
pub(crate) fn bundle_of_file(path: &Path, spiffe: bool, trust_domain: &TrustDomain) -> Result<Bundle, String> {
    let (content, shown) = (read(path)?, path.display());
    if !spiffe {
        let certificates = pem::certificates(&content);
        let certificates = certificates.map_err(|error| format!("could not parse trust bundle {shown}: {error}"))?;
        check(path, &certificates)?;
        return Ok(of_certificates(trust_domain, certificates));
    }
    let bundle = bundle::from_document(trust_domain.clone(), content.as_bytes());
    let bundle = bundle.map_err(|error| format!("unable to parse SPIFFE trust bundle {shown}: {error}"))?;
    if bundle.x509_authorities.is_empty() {
        return Err(format!("no certificates found in trust bundle {shown}"));
    }
    Ok(bundle)
}

/// Fetches the bundle behind `url`: over Web PKI, or on `socket` with word of the attempt under way.
///
/// # Errors
/// A text that names what could not be fetched or read.
pub(crate) async fn bundle_of_url(
    (url, socket, spiffe): (&str, Option<&Path>, bool),
    settings: &Settings,
    attempt: Bootstrapping,
) -> Result<Bundle, String> {
    let asked = if socket.is_some() { with_attempt(url, settings, attempt) } else { url.to_owned() };
    let shown = socket.map(Path::display).map(|socket| socket.to_string()).unwrap_or_default();
    debug!(Logger = LOGGER, "Server attestation url: {asked} from: {shown}");
    let body = match socket {
        Some(socket) => steeple_client::unix_get(socket, &asked, MAX_LENGTH).await,
        None => steeple_client::https_get(&asked, MAX_LENGTH).await,
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

/// Asks the Workload API at `endpoint` for the bundle of `trust_domain`.
///
/// # Errors
/// A text that names the endpoint and what it did not tell.
pub(crate) async fn bundle_of_workload_api(
    endpoint: &WorkloadEndpoint,
    trust_domain: &TrustDomain,
) -> Result<Bundle, String> {
    debug!(Logger = LOGGER, "Fetching trust bundle from SPIFFE Workload API: {endpoint}");
    let failed = |status: &Status| {
        let reason = steeple_client::describe(status);
        format!("unable to fetch trust bundle from SPIFFE Workload API {endpoint}: {reason}")
    };
    let mut client = SpiffeWorkloadApiClient::new(endpoint.connect());
    let answers = client.fetch_x509_bundles(workload_request(X509BundlesRequest {})).await;
    let answer = answers.map_err(|status| failed(&status))?.into_inner().message().await;
    let answer = answer.and_then(|answer| answer.ok_or_else(|| Status::unknown("EOF")));
    let mut bundles = answer.map_err(|status| failed(&status))?.bundles;
    let unfit = |reason: &str| {
        format!(
            "SPIFFE Workload API {endpoint} did not provide a trust bundle for trust domain \"{trust_domain}\": {reason}"
        )
    };
    let bundle = bundles.remove(&trust_domain.id_string()).ok_or_else(|| unfit("no X.509 bundle for trust domain"))?;
    let certificates = Certificate::many_from_der(&bundle).map_err(|error| unfit(&error.to_string()))?;
    if certificates.is_empty() {
        return Err("no certificates found in trust bundle".to_owned());
    }
    Ok(of_certificates(trust_domain, certificates.iter().map(|one| one.der().to_vec()).collect()))
}

/// The URL with the parameters that SPIRE's agents add.
fn with_attempt(url: &str, settings: &Settings, attempt: Bootstrapping) -> String {
    let (url, _fragment) = url.split_once('#').unwrap_or((url, ""));
    let parameters = [
        ("spiffe-trust-domain", settings.trust_domain.name().to_owned()),
        ("spire-attest-mode", attempt.mode().to_owned()),
        ("spire-attest-start-time", attempt.shown_since()),
        ("spire-connection-attempts", attempt.attempts.to_string()),
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

/// A bundle of these X.509 authorities, DER, and nothing else.
pub(crate) fn of_certificates(trust_domain: &TrustDomain, certificates: Vec<Vec<u8>>) -> Bundle {
    let authority = |certificate| X509Authority { certificate, tainted: false };
    let x509_authorities = certificates.into_iter().map(authority).collect();
    Bundle { x509_authorities, ..Bundle::empty(trust_domain.clone()) }
}
