//! What SPIRE's `connection_string` and TLS keys say about a MySQL database.

use std::time::Duration;

use mysql_async::{ClientIdentity, Opts, OptsBuilder, SslOpts};
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use steeple_config::{MySqlDsn, parse_mysql_dsn};
use steeple_store::{ErrorClass, StoreError};

use crate::connection::Result;
use crate::pool::{LOCK, SCHEMA_LOCK, SILENCE};

/// How long a connection is silent before it is tested.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// Prepared statements that a connection keeps.
const STATEMENTS: usize = 100;

/// The keys of SPIRE's configuration that concern TLS to MySQL; a path that is empty is not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) root_ca: String,
    pub(crate) client_cert: String,
    pub(crate) client_key: String,
}

impl TlsFiles {
    fn has_identity(&self) -> bool {
        !self.client_cert.is_empty() && !self.client_key.is_empty()
    }
}

/// A server, a database on it, and how to get in.
#[derive(Clone)]
pub(crate) struct Target {
    dsn: MySqlDsn,
    files: TlsFiles,
}

/// How the server is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tls {
    /// Without TLS.
    Off,
    /// The server may be anyone.
    Unchecked,
    /// An authority has issued the server's certificate to the host that is dialled.
    Checked,
}

impl Target {
    /// Reads a data source name.
    ///
    /// # Errors
    /// [`ErrorClass::Malformed`], in SPIRE's words where it refuses too.
    pub(crate) fn parse(connection_string: &str, files: TlsFiles) -> Result<Self> {
        let refuse = |reason: &str| Err(StoreError::new(ErrorClass::Malformed, format!("datastore-sql: {reason}")));
        let dsn = match parse_mysql_dsn(connection_string) {
            Ok(dsn) => dsn,
            Err(reason) => return refuse(&reason),
        };
        if !dsn.flag("parseTime") {
            return refuse("invalid mysql config: missing parseTime=true param in connection_string");
        }
        if !["tcp", "unix"].contains(&dsn.network.as_str()) {
            // Which one is told of SPIRE's own alone: another may be part of a password that was not written as it must be.
            let network = if dsn.network.starts_with("cloudsql") { " \"cloudsql\"" } else { "" };
            return refuse(&format!("network{network} of connection_string is not available; tcp and unix are"));
        }
        // SPIRE would store times of that zone, which nothing in the database tells.
        if dsn.parameter("loc").is_some_and(|zone| !["", "UTC"].contains(&zone)) {
            return refuse("parameter loc of connection_string is not available: times are stored in UTC");
        }
        Ok(Self { dsn, files })
    }

    /// Where the database is, for messages; nothing of it is a secret.
    pub(crate) fn place(&self) -> String {
        format!("{}, database {}", self.dsn.address, self.dsn.database)
    }

    pub(super) fn connect_timeout(&self) -> Option<Duration> {
        self.dsn.duration("timeout")
    }

    /// Longest wait for an answer of the server.
    pub(super) fn read_timeout(&self) -> Option<Duration> {
        self.dsn.duration("readTimeout")
    }

    /// Whether a server without TLS will do.
    pub(super) fn may_be_plain(&self) -> bool {
        let is_asked = self.dsn.parameter("tls") == Some("preferred") || self.dsn.flag("allowFallbackToPlaintext");
        is_asked && self.files == TlsFiles::default()
    }

    fn tls(&self) -> Tls {
        if !self.files.root_ca.is_empty() || self.files.has_identity() {
            return Tls::Checked;
        }
        match self.dsn.parameter("tls") {
            Some("skip-verify" | "preferred") => Tls::Unchecked,
            _ if self.dsn.flag("tls") => Tls::Checked,
            _ => Tls::Off,
        }
    }

    /// What the driver is told. Files are read anew, since they may have changed since the last connection.
    ///
    /// # Errors
    /// In SPIRE's words, when a file is of no use.
    pub(super) fn options(&self, with_tls: bool) -> std::result::Result<Opts, String> {
        let dsn = &self.dsn;
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        // Locks are waited for as long as on other engines, and the server ends a session that has fallen silent, with its locks.
        let mut setup = vec![format!(
            "SET SESSION innodb_lock_wait_timeout = {}, lock_wait_timeout = {}, wait_timeout = {}",
            LOCK.as_secs(),
            SCHEMA_LOCK.as_secs(),
            SILENCE.as_secs()
        )];
        // What does not fit a column must be an error, never be cut off.
        if dsn.parameter("sql_mode").is_none() {
            setup.push("SET sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')".to_owned());
        }
        setup.extend(dsn.system_variables().map(|(name, value)| format!("SET {name} = {value}")));
        let builder = OptsBuilder::default()
            .user(given(&dsn.user))
            .pass(given(&dsn.password))
            .db_name(given(&dsn.database))
            .prefer_socket(false)
            .client_found_rows(true)
            .enable_cleartext_plugin(dsn.flag("allowCleartextPasswords"))
            .stmt_cache_size(STATEMENTS)
            .tcp_keepalive(Some(KEEPALIVE))
            .setup(setup);
        if dsn.network == "unix" {
            return Ok(builder.socket(Some(dsn.address.clone())).into());
        }
        let (host, port) = dsn.address.rsplit_once(':').unwrap_or((&dsn.address, ""));
        let port = port.parse().map_err(|_| format!("address {} has no port number", dsn.address))?;
        let builder = builder.ip_or_hostname(host.trim_matches(['[', ']'])).tcp_port(port);
        let ssl = if with_tls { self.ssl()? } else { None };
        Ok(builder.ssl_opts(ssl).into())
    }

    fn ssl(&self) -> std::result::Result<Option<SslOpts>, String> {
        let options = match self.tls() {
            Tls::Off => return Ok(None),
            // Which authorities there are does not matter then, but the driver wants some.
            Tls::Unchecked => SslOpts::default().with_danger_accept_invalid_certs(true),
            Tls::Checked => {
                let authorities = self.authorities()?.into_iter().map(Into::into).collect();
                SslOpts::default().with_disable_built_in_roots(true).with_root_certs(authorities)
            }
        };
        Ok(Some(options.with_client_identity(self.identity()?)))
    }

    /// The authorities in the file that is named, PEM, or those of the system, DER.
    fn authorities(&self) -> std::result::Result<Vec<Vec<u8>>, String> {
        if self.files.root_ca.is_empty() {
            // The driver refuses all of them for one that it can't use.
            let mut usable = RootCertStore::empty();
            let mut found = rustls_native_certs::load_native_certs().certs;
            found.retain(|certificate| usable.add(certificate.clone()).is_ok());
            return Ok(found.into_iter().map(|certificate| certificate.to_vec()).collect());
        }
        let pem = std::fs::read(&self.files.root_ca)
            .map_err(|_| "invalid mysql config: cannot find Root CA defined in root_ca_path".to_owned())?;
        let certificates: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        match certificates {
            Ok(certificates) if !certificates.is_empty() => Ok(vec![pem]),
            _ => Err("invalid mysql config: failed to parse Root CA defined in root_ca_path".to_owned()),
        }
    }

    /// The client's own certificate and key, if both are named.
    fn identity(&self) -> std::result::Result<Option<ClientIdentity>, String> {
        if !self.files.has_identity() {
            return Ok(None);
        }
        let read = |path: &str| std::fs::read(path).unwrap_or_default();
        let (certificates, key) = (read(&self.files.client_cert), read(&self.files.client_key));
        if CertificateDer::from_pem_slice(&certificates).is_err() || PrivateKeyDer::from_pem_slice(&key).is_err() {
            let reason = "failed to load client certificate defined in client_cert_path and client_key_path";
            return Err(format!("invalid mysql config: {reason}"));
        }
        Ok(Some(ClientIdentity::new(certificates.into(), key.into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Target> {
        Target::parse(text, TlsFiles::default())
    }

    #[test]
    fn what_spire_refuses_is_refused_in_its_words() {
        for (text, reason) in [
            ("spire", "invalid DSN: missing the slash separating the database name"),
            ("u:p@/spire", "invalid mysql config: missing parseTime=true param in connection_string"),
            ("u:p@/spire?parseTime=0", "invalid mysql config: missing parseTime=true param in connection_string"),
            (
                "u@cloudsql(p:r:i)/d?parseTime=true",
                "network \"cloudsql\" of connection_string is not available; tcp and unix are",
            ),
            ("u:p@word(p)/d?parseTime=true", "network of connection_string is not available; tcp and unix are"),
        ] {
            assert_eq!(parse(text).err().unwrap().message, format!("datastore-sql: {reason}"));
        }
        assert!(parse("/d?parseTime=true&loc=Local").err().unwrap().message.contains("stored in UTC"));
        assert_eq!(parse("u:p@/d?parseTime=true&loc=UTC").unwrap().place(), "127.0.0.1:3306, database d");
    }

    #[test]
    fn tls_is_as_asked_for() {
        for (parameters, tls, may_be_plain) in [
            ("", Tls::Off, false),
            ("&tls=false", Tls::Off, false),
            ("&tls=true", Tls::Checked, false),
            ("&tls=true&allowFallbackToPlaintext=true", Tls::Checked, true),
            ("&tls=skip-verify", Tls::Unchecked, false),
            ("&tls=preferred", Tls::Unchecked, true),
        ] {
            let target = parse(&format!("/d?parseTime=true{parameters}")).unwrap();
            assert_eq!((target.tls(), target.may_be_plain()), (tls, may_be_plain), "{parameters}");
        }
        let files = TlsFiles { root_ca: "ca.pem".to_owned(), ..TlsFiles::default() };
        let target = Target::parse("/d?parseTime=true&tls=preferred", files).unwrap();
        assert_eq!((target.tls(), target.may_be_plain()), (Tls::Checked, false));
    }

    #[test]
    fn files_of_no_use_are_named_in_spires_words() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem").display().to_string();
        std::fs::write(&empty, "no PEM").unwrap();
        let with = |root: &str, own: &str| {
            let files = TlsFiles { root_ca: root.to_owned(), client_cert: own.to_owned(), client_key: own.to_owned() };
            Target::parse("/d?parseTime=true", files).unwrap().options(true).err()
        };
        let absent = "invalid mysql config: cannot find Root CA defined in root_ca_path";
        assert_eq!(with("/none", "").as_deref(), Some(absent));
        let unreadable = "invalid mysql config: failed to parse Root CA defined in root_ca_path";
        assert_eq!(with(&empty, "").as_deref(), Some(unreadable));
        let own =
            "invalid mysql config: failed to load client certificate defined in client_cert_path and client_key_path";
        assert_eq!(with("", &empty).as_deref(), Some(own));
    }

    #[test]
    fn driver_is_told_what_the_name_says() {
        let target = parse("u:p@tcp([::1]:3307)/d?parseTime=true&sql_mode=%27ANSI%27&timeout=3s").unwrap();
        let options = target.options(true).unwrap();
        assert_eq!((options.ip_or_hostname(), options.tcp_port()), ("::1", 3307));
        assert_eq!((options.user(), options.pass(), options.db_name()), (Some("u"), Some("p"), Some("d")));
        let waits = "SET SESSION innodb_lock_wait_timeout = 10, lock_wait_timeout = 300, wait_timeout = 40";
        assert_eq!(options.setup(), [waits, "SET sql_mode = 'ANSI'"]);
        assert_eq!(target.connect_timeout(), Some(Duration::from_secs(3)));
        let socket = parse("u@unix(/run/my.sock)/d?parseTime=true").unwrap().options(true).unwrap();
        assert_eq!(socket.socket(), Some("/run/my.sock"));
        assert_eq!(socket.setup(), [waits, "SET sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')"]);
    }
}
