//! What SPIRE's `connection_string` says about a PostgreSQL database, as SPIRE's driver (`lib/pq`) understands it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use steeple_config::parse_postgres;
use steeple_store::{ErrorClass, StoreError};

use super::passfile;
use crate::connection::Result;
use crate::tls::Check;

/// Variables of the environment, as far as the driver knows them, and their keywords.
const ENVIRONMENT: [(&str, &str); 16] = [
    ("PGHOST", "host"),
    ("PGPORT", "port"),
    ("PGDATABASE", "dbname"),
    ("PGUSER", "user"),
    ("PGPASSWORD", "password"),
    ("PGOPTIONS", "options"),
    ("PGAPPNAME", "application_name"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGSSLSNI", "sslsni"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGDATESTYLE", "datestyle"),
    ("PGTZ", "timezone"),
    ("PGGEQO", "geqo"),
];

/// Keywords of the driver; others are parameters of the session, such as `search_path`.
const OF_DRIVER: [&str; 22] = [
    "application_name",
    "binary_parameters",
    "client_encoding",
    "connect_timeout",
    "datestyle",
    "dbname",
    "disable_prepared_binary_result",
    "extra_float_digits",
    "fallback_application_name",
    "host",
    "krbspn",
    "krbsrvname",
    "options",
    "password",
    "port",
    "sslcert",
    "sslinline",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "sslsni",
    "user",
];

/// A server, a database on it, and how to get in.
#[derive(Clone)]
pub(crate) struct Target {
    /// A name or address, or the folder of a socket.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) password: Option<String>,
    pub(super) database: Option<String>,
    pub(super) application_name: Option<String>,
    /// Parameters of the session, as `postgres` takes them on its command line.
    pub(super) options: Option<String>,
    pub(super) connect_timeout: Option<Duration>,
    /// How the server is checked; `None` is without TLS.
    pub(super) check: Option<Check>,
    pub(super) tls: TlsFiles,
}

/// PEM in files, or in the connection string itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TlsFiles {
    pub(super) inline: bool,
    pub(super) authorities: Option<String>,
    pub(super) certificate: Option<String>,
    pub(super) key: Option<String>,
    pub(super) with_server_name: bool,
}

impl Target {
    /// Reads a connection string; what it does not say the environment says, which `look_up` knows.
    pub(crate) fn parse(connection_string: &str, look_up: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let mut settings = BTreeMap::new();
        for (variable, keyword) in ENVIRONMENT {
            if let Some(value) = look_up(variable) {
                settings.insert(keyword.to_owned(), value);
            }
        }
        settings.extend(parse_postgres(connection_string).map_err(|error| malformed(&error))?);
        if settings.get("client_encoding").is_some_and(|encoding| !is_utf8(encoding)) {
            return Err(malformed("client_encoding must be absent or 'UTF8'"));
        }
        let take = |keyword: &str| settings.get(keyword).cloned().filter(|value| !value.is_empty());
        let host = take("host").unwrap_or_else(|| "localhost".to_owned());
        let port = take("port").unwrap_or_else(|| "5432".to_owned());
        let port = port.parse().map_err(|_| malformed(&format!("port {port:?} is not one")))?;
        let user = take("user").or_else(|| look_up("USER")).ok_or_else(|| malformed("no user is given"))?;
        let check = check(&host, take("sslmode").as_deref(), take("sslrootcert").as_deref())?;
        let home = look_up("HOME").map(PathBuf::from);
        let tls = TlsFiles {
            inline: take("sslinline").as_deref() == Some("true"),
            authorities: take("sslrootcert"),
            certificate: take("sslcert").or_else(|| own(home.as_deref(), "postgresql.crt")),
            key: take("sslkey").or_else(|| own(home.as_deref(), "postgresql.key")),
            with_server_name: take("sslsni").is_none_or(|sni| sni.starts_with('1')),
        };
        let mut target = Self {
            database: take("dbname"),
            application_name: take("application_name").or_else(|| take("fallback_application_name")),
            connect_timeout: connect_timeout(take("connect_timeout"))?,
            password: settings.get("password").cloned(),
            options: options(&settings),
            host,
            port,
            user,
            check,
            tls,
        };
        if target.password.is_none() {
            let named = look_up("PGPASSFILE").filter(|path| !path.is_empty()).map(PathBuf::from);
            let file = named.or_else(|| home.map(|home| home.join(".pgpass")));
            target.password = file.and_then(|file| passfile::look_up(&file, &target));
        }
        Ok(target)
    }

    /// Where the database is, for messages; nothing of it is a secret.
    pub(crate) fn place(&self) -> String {
        let database = self.database.as_deref().unwrap_or(&self.user);
        if self.is_socket() {
            format!("{}/.s.PGSQL.{}, database {database}", self.host.trim_end_matches('/'), self.port)
        } else {
            format!("{}:{}, database {database}", self.host, self.port)
        }
    }

    pub(super) fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }
}

fn check(host: &str, mode: Option<&str>, authorities: Option<&str>) -> Result<Option<Check>> {
    if host.starts_with('/') {
        return Ok(None);
    }
    match mode.unwrap_or("require") {
        "disable" => Ok(None),
        // With authorities at hand it means as much as `verify-ca`.
        "require" if authorities.is_some_and(|path| Path::new(path).exists()) => Ok(Some(Check::Authority)),
        "require" => Ok(Some(Check::Nothing)),
        "verify-ca" => Ok(Some(Check::Authority)),
        "verify-full" => Ok(Some(Check::Name)),
        unknown => Err(malformed(&format!(
            "pq: unsupported sslmode {unknown:?}; only \"require\" (default), \"verify-full\", \"verify-ca\", and \"disable\" \
             supported"
        ))),
    }
}

/// A file in the user's folder for PostgreSQL, if it is there.
fn own(home: Option<&Path>, name: &str) -> Option<String> {
    let path = home?.join(".postgresql").join(name);
    path.exists().then(|| path.display().to_string())
}

fn connect_timeout(seconds: Option<String>) -> Result<Option<Duration>> {
    let Some(seconds) = seconds else { return Ok(None) };
    match seconds.parse() {
        Ok(0) => Ok(None),
        Ok(seconds) => Ok(Some(Duration::from_secs(seconds))),
        Err(_) => Err(malformed(&format!("invalid value for parameter connect_timeout: {seconds:?}"))),
    }
}

/// The parameters of the session: what `options` says, and every keyword that is not the driver's.
fn options(settings: &BTreeMap<String, String>) -> Option<String> {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace(' ', "\\ ");
    let own = settings.get("options").cloned();
    let others = settings.iter().filter(|(keyword, _)| !OF_DRIVER.contains(&keyword.as_str()));
    let others = others.map(|(keyword, value)| format!("-c {}={}", escaped(keyword), escaped(value)));
    let all: Vec<String> = own.into_iter().chain(others).collect();
    (!all.is_empty()).then(|| all.join(" "))
}

fn is_utf8(encoding: &str) -> bool {
    let plain: String = encoding.chars().filter(char::is_ascii_alphanumeric).collect();
    ["utf8", "unicode"].contains(&plain.to_ascii_lowercase().as_str())
}

fn malformed(reason: &str) -> StoreError {
    StoreError::new(ErrorClass::Malformed, format!("datastore-sql: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Target> {
        parse_with(text, &[("USER", "os")])
    }

    fn parse_with(text: &str, environment: &[(&str, &str)]) -> Result<Target> {
        let look_up =
            |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Target::parse(text, &look_up)
    }

    #[test]
    fn defaults_are_those_of_spires_driver() {
        let target = parse("dbname=spire").unwrap();
        assert_eq!(target.place(), "localhost:5432, database spire");
        assert_eq!((target.user.as_str(), target.password.as_deref()), ("os", None));
        assert_eq!((target.check, target.options.as_deref()), (Some(Check::Nothing), None));
    }

    #[test]
    fn environment_fills_in_what_is_not_said() {
        let environment = [("PGHOST", "h"), ("PGPASSWORD", "p"), ("PGSSLMODE", "disable"), ("PGUSER", "e")];
        let target = parse_with("host=own user=u", &environment).unwrap();
        assert_eq!((target.host.as_str(), target.user.as_str()), ("own", "u"));
        assert_eq!((target.password.as_deref(), target.check), (Some("p"), None));
    }

    #[test]
    fn sslmode_says_what_is_checked() {
        let folder = tempfile::tempdir().unwrap();
        let authorities = folder.path().join("ca.pem");
        std::fs::write(&authorities, "").unwrap();
        let authorities = authorities.display();
        for (text, check) in [
            ("sslmode=disable".to_owned(), None),
            ("sslmode=require".to_owned(), Some(Check::Nothing)),
            (format!("sslmode=require sslrootcert='{authorities}'"), Some(Check::Authority)),
            ("sslmode=require sslrootcert=/none".to_owned(), Some(Check::Nothing)),
            ("sslmode=verify-ca".to_owned(), Some(Check::Authority)),
            ("sslmode=verify-full".to_owned(), Some(Check::Name)),
            ("sslmode=verify-full host=/run".to_owned(), None),
        ] {
            assert_eq!(parse(&text).unwrap().check, check, "{text}");
        }
        let error = parse("sslmode=prefer").err().unwrap();
        assert!(error.message.starts_with("datastore-sql: pq: unsupported sslmode \"prefer\"; only"), "{error}");
    }

    #[test]
    fn other_keywords_are_parameters_of_the_session() {
        let target = parse(r"search_path='a b' statement_timeout=5s options='-c geqo=off' connect_timeout=7").unwrap();
        let options = r"-c geqo=off -c search_path=a\ b -c statement_timeout=5s";
        assert_eq!(target.options.as_deref(), Some(options));
        assert_eq!(target.connect_timeout, Some(Duration::from_secs(7)));
    }

    #[test]
    fn what_makes_no_sense_is_refused_without_a_secret() {
        for text in ["port=x", "connect_timeout=x", "client_encoding=latin1", "password=secret host"] {
            let error = parse(text).err().unwrap();
            assert_eq!(error.class, ErrorClass::Malformed, "{text}");
            assert!(!error.message.contains("secret"), "{error}");
        }
        assert!(parse_with("dbname=x", &[]).is_err());
    }

    #[test]
    fn password_may_stand_in_a_file() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".pgpass");
        std::fs::write(&path, "h:5432:spire:u:secret\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let home = folder.path().to_str().unwrap();
        let target = parse_with("host=h user=u dbname=spire", &[("HOME", home)]).unwrap();
        assert_eq!(target.password.as_deref(), Some("secret"));
        let target = parse_with("host=h user=u dbname=spire password=own", &[("HOME", home)]).unwrap();
        assert_eq!(target.password.as_deref(), Some("own"));
    }
}
