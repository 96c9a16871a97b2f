//! TLS, with certificates on both sides.

use std::path::Path;

use steeple_clock::Clock;
use steeple_store_sql::{SqlBackend, SqlConfig};
use steeple_tests_databases::{Identity, MariaDb, Pki, Postgres, missing};

fn open(config: &SqlConfig) -> Result<(), String> {
    SqlBackend::open(config, Clock::system()).map(drop).map_err(|error| error.message)
}

fn assert_refused(outcome: Result<(), String>, reason: &str) {
    let said = outcome.unwrap_err();
    assert!(said.contains("can't be reached") || said.contains("refuses this user"), "{said}");
    assert!(said.contains(reason), "{reason}: {said}");
}

#[test]
fn postgres_is_checked_and_shown_a_certificate() {
    if missing(&Postgres::PEERS).unwrap() || missing(&["openssl"]).unwrap() {
        return;
    }
    let pki = Pki::new().unwrap();
    let server = Postgres::start_tls(&pki).unwrap();
    let database = server.create_database().unwrap();
    let port = server.port();
    let connection = |host: &str, mode: &str, authority: &Path, identity: Option<&Identity>| {
        let own = identity.map_or_else(String::new, |identity| {
            format!(" sslcert={} sslkey={}", identity.certificate.display(), identity.key.display())
        });
        let authority = authority.display();
        let place = format!("host={host} port={port} user=spire dbname={database}");
        SqlConfig::new("postgres", format!("{place} sslmode={mode} sslrootcert={authority}{own}"))
    };
    let (own, authority) = (pki.issue("spire").unwrap(), pki.authority());
    for mode in ["verify-full", "verify-ca", "require"] {
        assert_eq!(open(&connection("localhost", mode, &authority, Some(&own))), Ok(()), "{mode}");
    }
    // The server's certificate is for another name than this.
    assert_eq!(open(&connection("127.0.0.1", "verify-ca", &authority, Some(&own))), Ok(()));
    assert_refused(open(&connection("127.0.0.1", "verify-full", &authority, Some(&own))), "not valid for name");
    let other = Pki::new().unwrap();
    for mode in ["verify-full", "verify-ca", "require"] {
        let refused = open(&connection("localhost", mode, &other.authority(), Some(&own)));
        assert_refused(refused, "invalid peer certificate");
    }
    assert_eq!(open(&connection("localhost", "require", Path::new("/none"), Some(&own))), Ok(()));
    assert_refused(open(&connection("localhost", "verify-full", &authority, None)), "certificate");
    let stranger = other.issue("spire").unwrap();
    assert_refused(open(&connection("localhost", "verify-full", &authority, Some(&stranger))), "");
    let plain = connection("localhost", "disable", &authority, None);
    assert_refused(open(&plain), "no encryption");
}

#[test]
fn mysql_is_checked_and_shown_a_certificate() {
    if missing(&MariaDb::PEERS).unwrap() || missing(&["openssl"]).unwrap() {
        return;
    }
    let pki = Pki::new().unwrap();
    let server = MariaDb::start_tls(&pki).unwrap();
    let database = server.create_database().unwrap();
    let port = server.port();
    let connection = |host: &str, parameters: &str, authority: &Path, identity: Option<&Identity>| SqlConfig {
        root_ca_path: authority.display().to_string(),
        client_cert_path: identity.map(|own| own.certificate.display().to_string()).unwrap_or_default(),
        client_key_path: identity.map(|own| own.key.display().to_string()).unwrap_or_default(),
        ..SqlConfig::new("mysql", format!("spire@tcp({host}:{port})/{database}?parseTime=true{parameters}"))
    };
    let (own, authority) = (pki.issue("client").unwrap(), pki.authority());
    let none = Path::new("");
    assert_eq!(open(&connection("localhost", "", &authority, Some(&own))), Ok(()));
    assert_refused(open(&connection("127.0.0.1", "", &authority, Some(&own))), "not valid for name");
    let other = Pki::new().unwrap();
    assert_refused(open(&connection("localhost", "", &other.authority(), Some(&own))), "invalid peer certificate");
    assert_refused(open(&connection("localhost", "", none, Some(&own))), "UnknownIssuer");
    assert_refused(open(&connection("localhost", "&tls=true", none, None)), "UnknownIssuer");
    assert_refused(open(&connection("localhost", "", &authority, None)), "Access denied");
    assert_refused(open(&connection("localhost", "", none, None)), "Access denied");
    // Without a check a client has no certificate to show either, which this user must.
    for parameters in ["&tls=skip-verify", "&tls=preferred"] {
        assert_refused(open(&connection("localhost", parameters, none, None)), "Access denied");
    }
    server.run_sql("mysql", "ALTER USER spire REQUIRE SSL").unwrap();
    for parameters in ["&tls=skip-verify", "&tls=preferred"] {
        assert_eq!(open(&connection("127.0.0.1", parameters, none, None)), Ok(()), "{parameters}");
    }
    assert_refused(open(&connection("localhost", "", none, None)), "Access denied");
}

#[test]
fn mysql_without_tls_will_do_where_it_is_only_preferred() {
    if missing(&MariaDb::PEERS).unwrap() {
        return;
    }
    let server = MariaDb::start_plain().unwrap();
    let database = server.create_database().unwrap();
    let with = |parameters: &str| {
        let place = format!("spire@tcp(127.0.0.1:{})/{database}?parseTime=true{parameters}", server.port());
        open(&SqlConfig::new("mysql", place))
    };
    assert_eq!(with("&tls=preferred"), Ok(()));
    assert_refused(with("&tls=skip-verify"), "server does not have this capability");
}
