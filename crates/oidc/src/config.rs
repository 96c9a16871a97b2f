//! The provider's configuration: SPIRE's file, read and checked.

mod file;

use std::path::PathBuf;
use std::time::Duration;

use steeple_config::{Block, LogSettings, LookUp, NotYetError, Url, expand_env, os_text, parse, parse_duration};

use self::file::{AcmeFile, HealthFile, OidcFile, ServingCertFile, SourceFile};

/// Where HTTPS is served if nothing else is said; by ACME always, since that is where its servers look.
const ADDRESS: &str = ":443";
const POLL_INTERVAL: Duration = Duration::from_secs(10);
const FILE_SYNC_INTERVAL: Duration = Duration::from_mins(1);

/// The provider's configuration, checked.
#[derive(Clone, Debug)]
pub struct OidcConfig {
    /// How it logs.
    pub log: LogSettings,
    /// Whether each request is logged.
    pub log_requests: bool,
    /// The names under which it may be asked, each once.
    pub domains: Vec<String>,
    /// Whether keys say that they are for signatures.
    pub set_key_use: bool,
    /// Whether the document may have `http` URLs.
    pub allow_insecure_scheme: bool,
    /// Where it listens.
    pub listener: ListenerConfig,
    /// Where keys come from.
    pub source: SourceConfig,
    /// Where it tells how it is, if anywhere.
    pub health: Option<HealthConfig>,
    /// The issuer, if it is not the host that was asked.
    pub jwt_issuer: Option<Url>,
    /// Where the keys are, if not beside the document.
    pub jwks_uri: Option<Url>,
    /// What stands before the paths; begins with a slash.
    pub server_path_prefix: String,
}

/// Where the provider listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenerConfig {
    /// Plain HTTP at an address.
    Insecure(String),
    /// Plain HTTP on a Unix socket.
    Socket(PathBuf),
    /// HTTPS by a certificate in files.
    CertificateFiles(CertificateFilesConfig),
    /// HTTPS by certificates that are issued by ACME.
    Acme(AcmeConfig),
}

/// Certificates by ACME (RFC 8555).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeConfig {
    /// The directory of the ACME server; Let's Encrypt's if empty.
    pub directory_url: String,
    /// Whom that server may write to.
    pub email: String,
    /// The folder in which certificates and keys are kept; without one they are gone with the process.
    pub cache_dir: Option<PathBuf>,
    /// Where to listen.
    pub address: String,
}

/// A certificate in files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFilesConfig {
    /// PEM of the chain.
    pub certificate: PathBuf,
    /// PEM of the key.
    pub key: PathBuf,
    /// Where to listen.
    pub address: String,
    /// How often the files are looked at.
    pub interval: Duration,
}

/// Where keys come from, and how often they are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceConfig {
    /// Where from.
    pub kind: SourceKind,
    /// How often.
    pub poll_interval: Duration,
}

/// Where keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// The private socket of a server, as a gRPC target: `unix:///tmp/spire-server/private/api.sock`.
    ServerApi(String),
    /// The Workload API on a socket, and whose bundle of those that it tells.
    WorkloadApi(PathBuf, String),
    /// A bundle document.
    File(PathBuf),
}

/// Where the provider tells how it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthConfig {
    /// The port.
    pub bind_port: i64,
    /// Path that tells whether it has keys.
    pub ready_path: String,
    /// Path that tells whether it should be left running.
    pub live_path: String,
}

/// Why a configuration can't be used; the texts are SPIRE's where it has them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OidcConfigError {
    /// The file can't be read.
    #[error("unable to load configuration: open {path}: {reason}")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The file is not in order.
    #[error("unable to decode configuration: {0}")]
    Malformed(String),
    /// A key asks for what is not there.
    #[error(transparent)]
    NotYet(#[from] NotYetError),
    /// A value is not acceptable.
    #[error("{0}")]
    Invalid(String),
}

/// Reads the file at `path`, with variables of the environment replaced if `env` is given.
///
/// # Errors
/// [`OidcConfigError`] of the first thing that is not in order.
pub fn load(path: &str, env: Option<&LookUp<'_>>) -> Result<OidcConfig, OidcConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| OidcConfigError::Unreadable { path: path.to_owned(), reason: os_text(&error) })?;
    let text = env.map_or(text.clone(), |look_up| expand_env(&text, look_up));
    OidcConfig::parse(&text)
}

impl OidcConfig {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// [`OidcConfigError`] of the first thing that is not in order.
    pub fn parse(text: &str) -> Result<Self, OidcConfigError> {
        let malformed = |error: &dyn std::fmt::Display| OidcConfigError::Malformed(error.to_string());
        let object = parse(text).map_err(|error| malformed(&error))?;
        let file = OidcFile::decode(&Block::of(&object)).map_err(|error| malformed(&error))?;
        check(file)
    }
}

fn invalid(reason: impl Into<String>) -> OidcConfigError {
    OidcConfigError::Invalid(reason.into())
}

/// Checks in SPIRE's order.
fn check(mut file: OidcFile) -> Result<OidcConfig, OidcConfigError> {
    if file.domains.is_empty() {
        return Err(invalid("at least one domain must be configured"));
    }
    check_acme(&file)?;
    let certificate = file.serving_cert_file.as_ref().map(certificate_files).transpose()?;
    let sources = sources(&file)?;
    check_listeners(&file)?;
    check_places(&file)?;
    let source = match <[SourceConfig; 1]>::try_from(sources) {
        Ok([source]) => source,
        Err(none) if none.is_empty() => {
            return Err(invalid("exactly one of the server_api, workload_api, or file sections must be configured"));
        }
        Err(_) => return Err(invalid("the server_api, workload_api, and file sections are mutually exclusive")),
    };
    let (jwt_issuer, jwks_uri) = (jwt_issuer(&file.jwt_issuer)?, jwks_uri(&file.jwks_uri)?);
    refuse_absent(&file)?;
    let listener = match (certificate, file.acme.take()) {
        (Some(certificate), _) => ListenerConfig::CertificateFiles(certificate),
        (None, Some(file)) => ListenerConfig::Acme(acme(file)),
        (None, None) if file.insecure_addr.is_empty() => {
            ListenerConfig::Socket(PathBuf::from(&file.listen_socket_path))
        }
        (None, None) => ListenerConfig::Insecure(file.insecure_addr.clone()),
    };
    Ok(OidcConfig {
        log: log(&file),
        log_requests: file.log_requests,
        set_key_use: file.set_key_use,
        allow_insecure_scheme: file.allow_insecure_scheme,
        listener,
        source,
        health: file.health_checks.map(health),
        jwt_issuer,
        jwks_uri,
        server_path_prefix: path_prefix(file.server_path_prefix)?,
        domains: each_once(file.domains),
    })
}

fn check_acme(file: &OidcFile) -> Result<(), OidcConfigError> {
    match &file.acme {
        Some(_) if !file.insecure_addr.is_empty() => {
            Err(invalid("insecure_addr and the acme section are mutually exclusive"))
        }
        Some(acme) if !acme.tos_accepted => {
            Err(invalid("tos_accepted must be set to true in the acme configuration section"))
        }
        Some(acme) if acme.email.is_empty() => {
            Err(invalid("email must be configured in the acme configuration section"))
        }
        _ => Ok(()),
    }
}

fn acme(file: AcmeFile) -> AcmeConfig {
    let AcmeFile { directory_url, email, cache_dir, tos_accepted: _ } = file;
    let cache_dir = cache_dir.unwrap_or_else(|| "./.acme-cache".to_owned());
    let cache_dir = Some(cache_dir).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    AcmeConfig { directory_url, email, cache_dir, address: ADDRESS.to_owned() }
}

fn certificate_files(file: &ServingCertFile) -> Result<CertificateFilesConfig, OidcConfigError> {
    const SECTION: &str = "in the serving_cert_file configuration section";
    for (key, value) in [("cert_file_path", &file.cert_file_path), ("key_file_path", &file.key_file_path)] {
        if value.is_empty() {
            return Err(invalid(format!("{key} must be configured {SECTION}")));
        }
    }
    let address = if file.addr.is_empty() { ADDRESS } else { &file.addr };
    steeple_net::tcp::resolve(address).map_err(|reason| invalid(format!("invalid addr {SECTION}: {reason}")))?;
    let interval = interval(&file.file_sync_interval, FILE_SYNC_INTERVAL)
        .map_err(|reason| invalid(format!("invalid file_sync_interval {SECTION}: {reason}")))?;
    Ok(CertificateFilesConfig {
        certificate: PathBuf::from(&file.cert_file_path),
        key: PathBuf::from(&file.key_file_path),
        address: address.to_owned(),
        interval,
    })
}

fn sources(file: &OidcFile) -> Result<Vec<SourceConfig>, OidcConfigError> {
    let every = |section: &str, source: &SourceFile| {
        let refused =
            |reason| invalid(format!("invalid poll_interval in the {section} configuration section: {reason}"));
        interval(&source.poll_interval, POLL_INTERVAL).map_err(refused)
    };
    let mut sources = Vec::new();
    if let Some(api) = &file.server_api {
        let kind = SourceKind::ServerApi(api.place.clone());
        sources.push(SourceConfig { kind, poll_interval: every("server_api", api)? });
    }
    if let Some(api) = &file.workload_api {
        if api.trust_domain.is_empty() {
            return Err(invalid("trust_domain must be configured in the workload_api configuration section"));
        }
        let kind = SourceKind::WorkloadApi(PathBuf::from(&api.place), api.trust_domain.clone());
        sources.push(SourceConfig { kind, poll_interval: every("workload_api", api)? });
    }
    if let Some(document) = &file.file {
        let kind = SourceKind::File(PathBuf::from(&document.place));
        sources.push(SourceConfig { kind, poll_interval: every("file", document)? });
    }
    Ok(sources)
}

fn check_listeners(file: &OidcFile) -> Result<(), OidcConfigError> {
    let (acme, certificate) = (file.acme.is_some(), file.serving_cert_file.is_some());
    let (address, socket) = (!file.insecure_addr.is_empty(), !file.listen_socket_path.is_empty());
    let faults = [
        (
            !(acme || certificate || address || socket),
            "either acme, serving_cert_file, insecure_addr or listen_socket_path must be configured",
        ),
        (acme && certificate, "acme and serving_cert_file are mutually exclusive"),
        (acme && socket, "listen_socket_path and the acme section are mutually exclusive"),
        (certificate && address, "serving_cert_file and insecure_addr are mutually exclusive"),
        (certificate && socket, "serving_cert_file and listen_socket_path are mutually exclusive"),
        (address && socket, "insecure_addr and listen_socket_path are mutually exclusive"),
    ];
    faults.into_iter().find(|(is_so, _)| *is_so).map_or(Ok(()), |(_, reason)| Err(invalid(reason)))
}

fn check_places(file: &OidcFile) -> Result<(), OidcConfigError> {
    match (&file.server_api, &file.workload_api) {
        (Some(api), _) if api.place.is_empty() => {
            Err(invalid("address must be configured in the server_api configuration section"))
        }
        (Some(api), _) if !api.place.starts_with("unix:") => {
            Err(invalid("address must use the unix name system in the server_api configuration section"))
        }
        (_, Some(api)) if api.place.is_empty() => {
            Err(invalid("socket_path must be configured in the workload_api configuration section"))
        }
        _ => Ok(()),
    }
}

fn jwt_issuer(text: &str) -> Result<Option<Url>, OidcConfigError> {
    if text.is_empty() {
        return Ok(None);
    }
    let url = Url::parse(text).map_err(|error| invalid(format!("the jwt_issuer url could not be parsed: {error}")))?;
    match (url.scheme(), url.host()) {
        ("", _) => Err(invalid("the jwt_issuer url must contain a scheme")),
        (_, "") => Err(invalid("the jwt_issuer url must contain a host")),
        _ => Ok(Some(url)),
    }
}

fn jwks_uri(text: &str) -> Result<Option<Url>, OidcConfigError> {
    if text.is_empty() {
        return Ok(None);
    }
    let refused = |reason: &str| invalid(format!("the jwks_uri setting could not be parsed: {reason}"));
    let url = Url::parse(text).map_err(|error| refused(&error.to_string()))?;
    if url.scheme().is_empty() || url.host().is_empty() {
        // SPIRE's own words, which lack a reason.
        return Err(refused("%!w(<nil>)"));
    }
    Ok(Some(url))
}

/// Refuses what SPIRE has and this product has not.
fn refuse_absent(file: &OidcFile) -> Result<(), OidcConfigError> {
    let pipes = [
        ("experimental", Some(file.listen_named_pipe_name.as_str()), "listen_named_pipe_name"),
        (
            "server_api.experimental",
            file.server_api.as_ref().map(|api| api.named_pipe_name.as_str()),
            "named_pipe_name",
        ),
        (
            "workload_api.experimental",
            file.workload_api.as_ref().map(|api| api.named_pipe_name.as_str()),
            "named_pipe_name",
        ),
    ];
    if let Some((section, _, key)) = pipes.iter().find(|(_, value, _)| value.is_some_and(|value| !value.is_empty())) {
        return Err(NotYetError::Windows(format!("{section}.{key}")).into());
    }
    Ok(())
}

fn path_prefix(text: String) -> Result<String, OidcConfigError> {
    match text.as_str() {
        "" => Ok("/".to_owned()),
        path if path.starts_with('/') => Ok(text),
        path => Err(invalid(format!("server_path_prefix {path:?} must begin with a slash"))),
    }
}

fn log(file: &OidcFile) -> LogSettings {
    let or = |text: &str, default: &str| if text.is_empty() { default.to_owned() } else { text.to_owned() };
    LogSettings {
        level: or(&file.log_level, "info"),
        format: or(&file.log_format, "text"),
        file: Some(&file.log_path).filter(|path| !path.is_empty()).map(PathBuf::from),
        source_location: false,
    }
}

fn health(file: HealthFile) -> HealthConfig {
    let or = |text: String, default: &str| if text.is_empty() { default.to_owned() } else { text };
    HealthConfig {
        bind_port: if file.bind_port <= 0 { 8008 } else { file.bind_port },
        ready_path: or(file.ready_path, "/ready"),
        live_path: or(file.live_path, "/live"),
    }
}

fn each_once(texts: Vec<String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for text in texts {
        if !all.contains(&text) {
            all.push(text);
        }
    }
    all
}

/// A duration; what is not more than nothing is the default, as in SPIRE.
fn interval(text: &str, default: Duration) -> Result<Duration, String> {
    if text.is_empty() {
        return Ok(default);
    }
    let is_negative = text.strip_prefix('-').is_some_and(|text| parse_duration(text).is_ok());
    let duration = if is_negative { Duration::ZERO } else { parse_duration(text)? };
    Ok(if duration.is_zero() { default } else { duration })
}

#[cfg(test)]
mod tests;
