//! MySQL: the data source names of Go's driver, `user:password@tcp(host:port)/database?parseTime=true`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::unescape;
use crate::parse_duration;

const DEFAULT_PORT: &str = "3306";

/// Parameters that are `true` or `false`.
const FLAGS: [&str; 14] = [
    "allowAllFiles",
    "allowCleartextPasswords",
    "allowFallbackToPlaintext",
    "allowNativePasswords",
    "allowOldPasswords",
    "checkConnLiveness",
    "clientFoundRows",
    "columnsWithAlias",
    "compress",
    "interpolateParams",
    "multiStatements",
    "parseTime",
    "rejectReadOnly",
    "tls",
];

/// Parameters that are durations.
const DURATIONS: [&str; 4] = ["timeout", "readTimeout", "writeTimeout", "timeTruncate"];

/// Parameters of the driver with other values; what is in none of these lists is a system variable.
const OTHERS: [&str; 6] = ["charset", "collation", "connectionAttributes", "loc", "maxAllowedPacket", "serverPubKey"];

/// A data source name, taken apart.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct MySqlDsn {
    /// Who connects; may be empty.
    pub user: String,
    /// The password; may be empty.
    pub password: String,
    /// `tcp`, `unix`, or the name of something else that dials.
    pub network: String,
    /// `host:port`, or the path of a socket.
    pub address: String,
    /// The database; may be empty.
    pub database: String,
    parameters: BTreeMap<String, String>,
}

impl fmt::Debug for MySqlDsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlDsn").field("address", &self.address).finish_non_exhaustive()
    }
}

impl MySqlDsn {
    /// The parameter `name`, without escapes; `None` when it is not given.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// Whether the parameter `name` is true.
    pub fn flag(&self, name: &str) -> bool {
        self.parameter(name).and_then(read_bool).unwrap_or_default()
    }

    /// The duration `name`; `None` when it is not given or 0.
    pub fn duration(&self, name: &str) -> Option<Duration> {
        self.parameter(name).and_then(|text| parse_duration(text).ok()).filter(|duration| !duration.is_zero())
    }

    /// Parameters that are variables to set in each session.
    pub fn system_variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let of_driver =
            |name: &String| [&FLAGS[..], &DURATIONS, &OTHERS].iter().any(|names| names.contains(&name.as_str()));
        let variables = self.parameters.iter().filter(move |(name, _)| !of_driver(name));
        variables.map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Reads a data source name.
///
/// # Errors
/// What is wrong, in the words of SPIRE's driver, but with nothing of what may be part of a password where the text is wrong.
pub fn parse_mysql_dsn(text: &str) -> Result<MySqlDsn, String> {
    // Passwords and paths of sockets may have slashes.
    let Some((left, right)) = text.rsplit_once('/') else {
        return Err("invalid DSN: missing the slash separating the database name".to_owned());
    };
    let (account, place) = left.rsplit_once('@').unwrap_or(("", left));
    let (user, password) = account.split_once(':').unwrap_or((account, ""));
    let (network, address) = network_and_address(place)?;
    let (database, parameters) = right.split_once('?').unwrap_or((right, ""));
    let database = unescape(database, false).map_err(|error| format!("invalid dbname: {error}"))?;
    let mut dsn = MySqlDsn {
        user: user.to_owned(),
        password: password.to_owned(),
        network: if network.is_empty() { "tcp" } else { network }.to_owned(),
        address: address.to_owned(),
        database,
        parameters: BTreeMap::new(),
    };
    for (name, value) in parameters.split('&').filter_map(|pair| pair.split_once('=')) {
        dsn.parameters.insert(name.to_owned(), read_parameter(name, value)?);
    }
    complete_address(&mut dsn)?;
    Ok(dsn)
}

fn network_and_address(place: &str) -> Result<(&str, &str), String> {
    let Some((network, address)) = place.split_once('(') else { return Ok((place, "")) };
    match address.strip_suffix(')') {
        Some(address) => Ok((network, address)),
        None if address.contains(')') => Err("invalid DSN: did you forget to escape a param value?".to_owned()),
        None => Err("invalid DSN: network address not terminated (missing closing brace)".to_owned()),
    }
}

fn read_parameter(name: &str, value: &str) -> Result<String, String> {
    if name == "strict" {
        return Err("strict mode has been removed".to_owned());
    }
    if name == "tls" && read_bool(value).is_none() {
        let plain = unescape(value, true).map_err(|error| format!("invalid value for TLS config name: {error}"))?;
        let lower = plain.to_lowercase();
        return match lower.as_str() {
            "skip-verify" | "preferred" => Ok(lower),
            _ => Err(format!("invalid value / unknown config name: {plain}")),
        };
    }
    if FLAGS.contains(&name) && read_bool(value).is_none() {
        return Err(format!("invalid bool value: {value}"));
    }
    if DURATIONS.contains(&name) {
        parse_duration(value)?;
    }
    if name == "maxAllowedPacket" && value.parse::<i64>().is_err() {
        return Err(format!("strconv.Atoi: parsing {value:?}: invalid syntax"));
    }
    unescape(value, true)
}

fn read_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "true" | "TRUE" | "True" => Some(true),
        "0" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn complete_address(dsn: &mut MySqlDsn) -> Result<(), String> {
    match (dsn.network.as_str(), dsn.address.is_empty()) {
        ("tcp", true) => dsn.address = format!("127.0.0.1:{DEFAULT_PORT}"),
        ("unix", true) => "/tmp/mysql.sock".clone_into(&mut dsn.address),
        (_, true) => {
            return Err("default addr for network unknown; it is user:password@tcp(host:port)/database".to_owned());
        }
        ("tcp", false) if !has_port(&dsn.address) => {
            let bare = dsn.address.starts_with('[') || !dsn.address.contains(':');
            let host = if bare { dsn.address.clone() } else { format!("[{}]", dsn.address) };
            dsn.address = format!("{host}:{DEFAULT_PORT}");
        }
        _ => {}
    }
    Ok(())
}

fn has_port(address: &str) -> bool {
    match address.rsplit_once(':') {
        Some((host, _)) => !host.contains(':') || host.ends_with(']'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let dsn =
            parse_mysql_dsn("u:p@ss/w:d@tcp(db.example:3307)/spi%20re?parseTime=true&timeout=5s&sql_mode=%27ANSI%27")
                .unwrap();
        assert_eq!((dsn.user.as_str(), dsn.password.as_str()), ("u", "p@ss/w:d"));
        assert_eq!((dsn.network.as_str(), dsn.address.as_str()), ("tcp", "db.example:3307"));
        assert_eq!(dsn.database, "spi re");
        assert!(dsn.flag("parseTime") && !dsn.flag("tls"));
        assert_eq!(dsn.duration("timeout"), Some(Duration::from_secs(5)));
        assert_eq!(dsn.duration("readTimeout"), None);
        assert_eq!(dsn.system_variables().collect::<Vec<_>>(), [("sql_mode", "'ANSI'")]);
        assert!(!format!("{dsn:?}").contains("p@ss"));
    }

    #[test]
    fn what_is_left_out_is_filled_in() {
        for (text, network, address) in [
            ("/", "tcp", "127.0.0.1:3306"),
            ("u@/d", "tcp", "127.0.0.1:3306"),
            ("u@tcp(h)/d", "tcp", "h:3306"),
            ("u@tcp([::1])/d", "tcp", "[::1]:3306"),
            ("u@tcp([::1]:1)/d", "tcp", "[::1]:1"),
            ("u@tcp(::1)/d", "tcp", "[::1]:3306"),
            ("u@unix(/run/mysqld/mysqld.sock)/d", "unix", "/run/mysqld/mysqld.sock"),
            ("u@unix/d", "unix", "/tmp/mysql.sock"),
            ("u@cloudsql(p:r:i)/d", "cloudsql", "p:r:i"),
        ] {
            let dsn = parse_mysql_dsn(text).unwrap();
            assert_eq!((dsn.network.as_str(), dsn.address.as_str()), (network, address), "{text}");
        }
        assert_eq!(parse_mysql_dsn("/d?tls=Preferred").unwrap().parameter("tls"), Some("preferred"));
    }

    #[test]
    fn errors_are_those_of_spires_driver() {
        for (text, error) in [
            ("user:secret@tcp(h)", "invalid DSN: missing the slash separating the database name"),
            ("u@tcp(h/d", "invalid DSN: network address not terminated (missing closing brace)"),
            ("u@tcp(h)x/d", "invalid DSN: did you forget to escape a param value?"),
            ("/d?parseTime=yes", "invalid bool value: yes"),
            ("/d?timeout=5", "time: missing unit in duration \"5\""),
            ("/d?tls=mine", "invalid value / unknown config name: mine"),
            ("/d?maxAllowedPacket=x", "strconv.Atoi: parsing \"x\": invalid syntax"),
        ] {
            assert_eq!(parse_mysql_dsn(text).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn errors_show_nothing_that_may_be_a_password() {
        for (text, error) in [
            ("u@other/d", "default addr for network unknown"),
            ("u:secret/d", "default addr for network unknown"),
            ("u:secret/more@tcp(h)", "default addr for network unknown"),
            ("u:a/secret%zz@tcp(h)", "invalid dbname: invalid URL escape"),
            ("/d?x=secret%", "invalid URL escape"),
        ] {
            let said = parse_mysql_dsn(text).unwrap_err();
            assert!(said.starts_with(error) && !said.contains("secret"), "{text}: {said}");
        }
    }
}
