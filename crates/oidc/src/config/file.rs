//! The file as it stands, in the order in which SPIRE reads it: the first value of a wrong type is the one that is told.

use steeple_config::{Block, DecodeError};

/// Everything that SPIRE's provider reads; nothing is checked but types.
#[derive(Debug, Default)]
pub(super) struct OidcFile {
    pub(super) log_format: String,
    pub(super) log_level: String,
    pub(super) log_path: String,
    pub(super) log_requests: bool,
    pub(super) domains: Vec<String>,
    pub(super) set_key_use: bool,
    pub(super) allow_insecure_scheme: bool,
    pub(super) insecure_addr: String,
    pub(super) listen_socket_path: String,
    pub(super) acme: Option<AcmeFile>,
    pub(super) serving_cert_file: Option<ServingCertFile>,
    pub(super) server_api: Option<SourceFile>,
    pub(super) workload_api: Option<SourceFile>,
    pub(super) file: Option<SourceFile>,
    pub(super) health_checks: Option<HealthFile>,
    pub(super) listen_named_pipe_name: String,
    pub(super) jwt_issuer: String,
    pub(super) jwks_uri: String,
    pub(super) server_path_prefix: String,
}

/// `acme`.
#[derive(Debug)]
pub(super) struct AcmeFile {
    pub(super) directory_url: String,
    pub(super) email: String,
    pub(super) tos_accepted: bool,
    /// Nothing where the key is absent; an empty text keeps nothing.
    pub(super) cache_dir: Option<String>,
}

/// `serving_cert_file`.
#[derive(Debug)]
pub(super) struct ServingCertFile {
    pub(super) cert_file_path: String,
    pub(super) key_file_path: String,
    pub(super) addr: String,
    pub(super) file_sync_interval: String,
}

/// `server_api`, `workload_api` or `file`.
#[derive(Debug)]
pub(super) struct SourceFile {
    /// `address`, `socket_path` or `path`.
    pub(super) place: String,
    pub(super) trust_domain: String,
    pub(super) poll_interval: String,
    pub(super) named_pipe_name: String,
}

/// `health_checks`.
#[derive(Debug)]
pub(super) struct HealthFile {
    pub(super) bind_port: i64,
    pub(super) live_path: String,
    pub(super) ready_path: String,
}

impl OidcFile {
    /// Reads the whole file.
    pub(super) fn decode(root: &Block<'_>) -> Result<Self, DecodeError> {
        let mut file = Self {
            log_format: text(root, "log_format")?,
            log_level: text(root, "log_level")?,
            log_path: text(root, "log_path")?,
            log_requests: truth(root, "log_requests")?,
            domains: root.texts("domains")?.unwrap_or_default(),
            set_key_use: truth(root, "set_key_use")?,
            allow_insecure_scheme: truth(root, "allow_insecure_scheme")?,
            insecure_addr: text(root, "insecure_addr")?,
            listen_socket_path: text(root, "listen_socket_path")?,
            ..Self::default()
        };
        file.acme = root.block("acme")?.map(|block| AcmeFile::decode(&block)).transpose()?;
        let serving = root.block("serving_cert_file")?;
        file.serving_cert_file = serving.map(|block| ServingCertFile::decode(&block)).transpose()?;
        file.server_api = SourceFile::decode(root, "server_api", "address")?;
        file.workload_api = SourceFile::decode(root, "workload_api", "socket_path")?;
        file.file = SourceFile::decode(root, "file", "path")?;
        file.health_checks = root.block("health_checks")?.map(|block| HealthFile::decode(&block)).transpose()?;
        let experimental = root.block("experimental")?.unwrap_or_default();
        file.listen_named_pipe_name = text(&experimental, "listen_named_pipe_name")?;
        file.jwt_issuer = text(root, "jwt_issuer")?;
        file.jwks_uri = text(root, "jwks_uri")?;
        file.server_path_prefix = text(root, "server_path_prefix")?;
        Ok(file)
    }
}

impl AcmeFile {
    fn decode(block: &Block<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            directory_url: text(block, "directory_url")?,
            email: text(block, "email")?,
            tos_accepted: truth(block, "tos_accepted")?,
            cache_dir: block.text("cache_dir")?,
        })
    }
}

impl ServingCertFile {
    fn decode(block: &Block<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            cert_file_path: text(block, "cert_file_path")?,
            key_file_path: text(block, "key_file_path")?,
            addr: text(block, "addr")?,
            file_sync_interval: text(block, "file_sync_interval")?,
        })
    }
}

impl SourceFile {
    fn decode(root: &Block<'_>, section: &str, place: &str) -> Result<Option<Self>, DecodeError> {
        let Some(block) = root.block(section)? else { return Ok(None) };
        let place = text(&block, place)?;
        let trust_domain = if section == "workload_api" { text(&block, "trust_domain")? } else { String::new() };
        let poll_interval = text(&block, "poll_interval")?;
        let experimental = block.block("experimental")?.unwrap_or_default();
        let named_pipe_name = if section == "file" { String::new() } else { text(&experimental, "named_pipe_name")? };
        Ok(Some(Self { place, trust_domain, poll_interval, named_pipe_name }))
    }
}

impl HealthFile {
    fn decode(block: &Block<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            bind_port: block.int("bind_port")?.unwrap_or_default(),
            live_path: text(block, "live_path")?,
            ready_path: text(block, "ready_path")?,
        })
    }
}

fn text(block: &Block<'_>, key: &str) -> Result<String, DecodeError> {
    Ok(block.text(key)?.unwrap_or_default())
}

fn truth(block: &Block<'_>, key: &str) -> Result<bool, DecodeError> {
    Ok(block.bool(key)?.unwrap_or_default())
}
