//! The `federation` block: the bundle endpoint, and relationships that don't change while the server runs.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use steeple_acme::Names;
use steeple_config::{Block, ConfigError, invalid, parse_duration};
use steeple_net::web::CertificateFiles;
use steeple_types::{EndpointProfile, FederationRelationship, SpiffeId, TrustDomain};

use crate::bundle_endpoint::{AcmeSettings, BundleEndpointProfile, BundleEndpointSettings, ServingCertFile};
use crate::federation::FederationSettings;
use crate::federation::interval::{DEFAULT_INTERVAL, MIN_HINT};

/// From which refresh hint on SPIRE warns that changes come late.
const HIGH_HINT: Duration = Duration::from_hours(24);
/// How often certificate files are looked at when the configuration does not say.
const FILE_SYNC_INTERVAL: Duration = Duration::from_hours(1);

/// What SPIRE checks before it looks for unknown keys.
pub(super) fn check(server: &Block<'_>) -> Result<(), ConfigError> {
    let Some(federation) = server.block("federation")? else { return Ok(()) };
    if let Some(acme) = federation.block("bundle_endpoint")?.unwrap_or_default().block("acme")? {
        for key in ["domain_name", "email"] {
            if text(&acme, key)?.is_empty() {
                return Err(invalid(format!("federation.bundle_endpoint.acme.{key} must be configured")));
            }
        }
    }
    for (name, relationship) in federation.labelled("federates_with")? {
        let url = text(&relationship, "bundle_endpoint_url")?;
        let key = format!("federation.federates_with[\"{name}\"].bundle_endpoint_url");
        if url.is_empty() {
            return Err(invalid(format!("{key} must be configured")));
        }
        if !url.to_lowercase().starts_with("https://") {
            return Err(invalid(format!("{key} must use the HTTPS protocol; URL found: {url:?}")));
        }
    }
    Ok(())
}

/// Reads the block. What ACME yields is kept in `data_dir`.
pub(super) fn read(
    server: &Block<'_>,
    own: &TrustDomain,
    data_dir: &Path,
    warnings: &mut Vec<String>,
) -> Result<FederationSettings, ConfigError> {
    let Some(federation) = server.block("federation")? else { return Ok(FederationSettings::default()) };
    let endpoint = federation.block("bundle_endpoint")?;
    let bundle_endpoint = endpoint.map(|block| bundle_endpoint(&block, data_dir, warnings)).transpose()?;
    let mut federates_with: Vec<FederationRelationship> = Vec::new();
    for (name, block) in federation.labelled("federates_with")? {
        let relationship = relationship(name, &block)?;
        if relationship.trust_domain == *own {
            // Its bundle would be replaced by what the endpoint says.
            let message =
                format!("federation.federates_with[{name:?}]: a server can't federate with its own trust domain");
            return Err(invalid(message));
        }
        federates_with.retain(|other| other.trust_domain != relationship.trust_domain);
        federates_with.push(relationship);
    }
    Ok(FederationSettings { bundle_endpoint, federates_with })
}

fn text(block: &Block<'_>, key: &str) -> Result<String, ConfigError> {
    Ok(block.text(key)?.unwrap_or_default())
}

fn bundle_endpoint(
    block: &Block<'_>,
    data_dir: &Path,
    warnings: &mut Vec<String>,
) -> Result<BundleEndpointSettings, ConfigError> {
    let host = text(block, "address")?;
    let ip: Option<IpAddr> = host.parse().ok();
    if ip.is_none() && !host.is_empty() {
        warnings.push(format!(
            "federation.bundle_endpoint.address {host:?} is not an IP address; the bundle is served on all addresses"
        ));
    }
    let port = block.int("port")?.unwrap_or_default();
    let port =
        u16::try_from(port).map_err(|_| invalid(format!("federation.bundle_endpoint.port {port} is not a port")))?;
    let refresh_hint = refresh_hint(block, warnings)?;
    let profile = endpoint_profile(block, data_dir, warnings)?;
    Ok(BundleEndpointSettings {
        address: SocketAddr::new(ip.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)), port),
        refresh_hint,
        profile,
    })
}

fn refresh_hint(block: &Block<'_>, warnings: &mut Vec<String>) -> Result<Duration, ConfigError> {
    let told = text(block, "refresh_hint")?;
    if told.is_empty() {
        return Ok(DEFAULT_INTERVAL);
    }
    let hint =
        parse_duration(&told).map_err(|error| invalid(format!("could not parse refresh_hint {told:?}: {error}")))?;
    if hint >= HIGH_HINT {
        warnings.push(
            "Bundle endpoint refresh hint set to a high value. To cover the case of unscheduled trust bundle updates, it's \
             recommended to have a smaller value, e.g. 5m"
                .to_owned(),
        );
    }
    if hint < MIN_HINT {
        warnings.push(
            "Bundle endpoint refresh hint set too low. SPIRE will not refresh more often than 1 minute".to_owned(),
        );
    }
    Ok(hint)
}

fn endpoint_profile(
    block: &Block<'_>,
    data_dir: &Path,
    warnings: &mut Vec<String>,
) -> Result<BundleEndpointProfile, ConfigError> {
    if block.has("acme") && block.has("profile") {
        return Err(invalid("either bundle endpoint 'acme' or 'profile' can be set, but not both"));
    }
    if let Some(acme) = block.block("acme")? {
        warnings.push(
            "ACME configuration within the bundle_endpoint is deprecated. Please use ACME configuration as part of the https_web \
             profile instead."
                .to_owned(),
        );
        return Ok(BundleEndpointProfile::Acme(acme_settings(&acme, data_dir, warnings)?));
    }
    if !block.has("profile") {
        warnings.push(
            "Bundle endpoint is configured but has no profile set, using https_spiffe as default; please configure a profile \
             explicitly. This will be fatal in a future release."
                .to_owned(),
        );
        return Ok(BundleEndpointProfile::HttpsSpiffe);
    }
    let (name, profile) = only_profile(block, "profile")?;
    match name.to_lowercase().as_str() {
        "https_spiffe" => Ok(BundleEndpointProfile::HttpsSpiffe),
        "https_web" => match (profile.block("acme")?, profile.block("serving_cert_file")?) {
            (Some(acme), _) => Ok(BundleEndpointProfile::Acme(acme_settings(&acme, data_dir, warnings)?)),
            (None, Some(files)) => Ok(BundleEndpointProfile::HttpsWeb(serving_cert_file(&files)?)),
            (None, None) => {
                Err(invalid("malformed https_web profile configuration: 'acme' or 'serving_cert_file' is required"))
            }
        },
        _ => Err(invalid(
            "unknown bundle endpoint profile configured; current supported profiles are \"https_spiffe\" and 'https_web\"",
        )),
    }
}

fn acme_settings(block: &Block<'_>, data_dir: &Path, warnings: &mut Vec<String>) -> Result<AcmeSettings, ConfigError> {
    let domain_name = text(block, "domain_name")?;
    if Names::new([domain_name.as_str()]).iter().next().is_none_or(|name| !name.contains('.')) {
        warnings.push(format!(
            "domain_name {domain_name:?} of the bundle endpoint's acme section is not a name that a certificate can be had for; \
             no client will be served"
        ));
    }
    Ok(AcmeSettings {
        domain_name,
        directory_url: text(block, "directory_url")?,
        email: text(block, "email")?,
        tos_accepted: block.bool("tos_accepted")?.unwrap_or_default(),
        cache_dir: data_dir.join("bundle-acme"),
    })
}

fn serving_cert_file(block: &Block<'_>) -> Result<ServingCertFile, ConfigError> {
    let interval = text(block, "file_sync_interval")?;
    let interval = match interval.as_str() {
        // SPIRE's documentation says so; its code refuses.
        "" => Duration::ZERO,
        told => parse_duration(told).map_err(invalid)?,
    };
    let files = ServingCertFile {
        cert_file_path: PathBuf::from(text(block, "cert_file_path")?),
        key_file_path: PathBuf::from(text(block, "key_file_path")?),
        file_sync_interval: if interval.is_zero() { FILE_SYNC_INTERVAL } else { interval },
    };
    CertificateFiles::check(&files.cert_file_path, &files.key_file_path)
        .map_err(|error| invalid(format!("failed to load certificate: {error}")))?;
    Ok(files)
}

fn relationship(name: &str, block: &Block<'_>) -> Result<FederationRelationship, ConfigError> {
    let trust_domain = TrustDomain::parse(name).map_err(|error| invalid(error.to_string()))?;
    if !block.has("bundle_endpoint_profile") {
        return Err(invalid(format!(
            "federation configuration for trust domain {name:?}: missing bundle endpoint configuration"
        )));
    }
    let profile = relationship_profile(block).map_err(|error| {
        invalid(format!("error parsing federation relationship for trust domain {name:?}: {error}"))
    })?;
    Ok(FederationRelationship { trust_domain, bundle_endpoint_url: text(block, "bundle_endpoint_url")?, profile })
}

fn relationship_profile(block: &Block<'_>) -> Result<EndpointProfile, ConfigError> {
    let (name, profile) = only_profile(block, "bundle_endpoint_profile")?;
    match name.to_lowercase().as_str() {
        "https_web" => Ok(EndpointProfile::HttpsWeb),
        "https_spiffe" => {
            let id = SpiffeId::parse(&text(&profile, "endpoint_spiffe_id")?);
            let endpoint_spiffe_id =
                id.map_err(|error| invalid(format!("could not get endpoint SPIFFE ID: {error}")))?;
            Ok(EndpointProfile::HttpsSpiffe { endpoint_spiffe_id })
        }
        _ => Err(invalid(
            "no bundle endpoint profile defined; current supported profiles are \"https_spiffe\" and 'https_web\"",
        )),
    }
}

/// The one profile under `key`, with its name.
fn only_profile<'a>(block: &Block<'a>, key: &str) -> Result<(&'a str, Block<'a>), ConfigError> {
    if block.blocks(key).is_empty() {
        return Err(invalid("malformed configuration"));
    }
    let mut profiles = block.labelled(key)?.into_iter();
    match (profiles.next(), profiles.next()) {
        (Some(profile), None) => Ok(profile),
        _ => Err(invalid("exactly one bundle endpoint profile is expected")),
    }
}

#[cfg(test)]
#[path = "federation/tests.rs"]
mod tests;
