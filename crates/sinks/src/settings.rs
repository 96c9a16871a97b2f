//! What a sink is.

use std::path::PathBuf;

use crate::filter::Filter;
use crate::format::Format;

/// A sink, which records it gets, and in which form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkSettings {
    /// Its name, which its metrics have as a label.
    pub name: String,
    /// Which records it gets.
    pub filter: Filter,
    /// In which form.
    pub format: Format,
    /// Whether a sink that is new gets what was recorded before, too.
    pub from_start: bool,
    /// Where they go.
    pub outlet: OutletSettings,
}

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutletSettings {
    /// The standard output, a line each.
    Stdout,
    /// The end of a file, a line each. It is opened for each batch, so that it can be rotated by renaming it.
    File {
        /// The file.
        path: PathBuf,
    },
    /// Syslog (RFC 5424) over TLS (RFC 5425).
    Syslog(SyslogSettings),
    /// OTLP logs over HTTPS, in JSON.
    Otlp(UrlSettings),
    /// POSTs of lines over HTTPS.
    Webhook {
        /// Where they are posted.
        url: UrlSettings,
        /// File with the secret by which the posts are signed.
        secret_path: Option<PathBuf>,
    },
}

/// A receiver of syslog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyslogSettings {
    /// Host and port.
    pub address: String,
    /// The name that its certificate must have, if that is not the host.
    pub server_name: Option<String>,
    /// Code of the facility (RFC 5424, section 6.2.1).
    pub facility: u8,
    /// Whom to believe, and who one is.
    pub tls: TlsSettings,
}

/// A receiver over HTTPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlSettings {
    /// Its URL.
    pub url: String,
    /// File with the bearer token that is sent, if one is.
    pub token_path: Option<PathBuf>,
    /// Whom to believe, and who one is.
    pub tls: TlsSettings,
}

/// Whom a sink believes over TLS, and who it is itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// PEM file with the authorities; without one those of the system are believed.
    pub ca_bundle_path: Option<PathBuf>,
    /// PEM files of a certificate chain and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}
