//! A real rsyslog that gets the trail over TLS.

use std::fs;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use jiff::SignedDuration;
use steeple_crypto::pem;
use steeple_tests_databases::{missing, path};
use steeple_tests_system::authority::{Authority, Leaf};
use steeple_tests_system::dev::free_port;
use steeple_tests_system::pair::Pair;

use crate::sinks::with_sinks;
use crate::trail::{create, entry_id, folder, lines, stop};

/// A running rsyslog; it is killed when it is dropped.
struct Rsyslog(Child);

impl Drop for Rsyslog {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

impl Rsyslog {
    /// Listens on `port` for who has a certificate of the authority in `ca.pem`; appends what it gets to `received`.
    fn start(pair: &Pair, port: &str) -> Result<Self> {
        let place = |name: &str| pair.path(name).display().to_string();
        let config = format!(
            r#"global(workDirectory="{work}" maxMessageSize="1m" defaultNetstreamDriver="ossl"
                 defaultNetstreamDriverCAFile="{ca}" defaultNetstreamDriverCertFile="{certificate}"
                 defaultNetstreamDriverKeyFile="{key}")
               module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
               template(name="line" type="string" string="%syslogfacility% %syslogseverity% %app-name% %msgid% %msg%\n")
               ruleset(name="audit") {{ action(type="omfile" file="{received}" template="line") }}
               input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="audit")
            "#,
            work = place("."),
            ca = place("ca.pem"),
            certificate = place("rsyslog.pem"),
            key = place("rsyslog.key"),
            received = place("received"),
        );
        fs::write(pair.path("rsyslog.conf"), config)?;
        let log = fs::File::create(pair.path("rsyslog.log"))?;
        let mut command = Command::new(path("rsyslogd").context("no rsyslogd")?);
        command.arg("-n").arg("-f").arg(pair.path("rsyslog.conf")).arg("-i").arg(pair.path("rsyslog.pid"));
        Ok(Self(command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?))
    }
}

/// Writes a leaf and its key to `name.pem` and `name.key`.
fn write(pair: &Pair, name: &str, leaf: &Leaf) -> Result<()> {
    fs::write(pair.path(&format!("{name}.pem")), pem::encode("CERTIFICATE", &leaf.certificate))?;
    fs::write(pair.path(&format!("{name}.key")), pem::encode("PRIVATE KEY", &leaf.key.to_pkcs8()?))?;
    Ok(())
}

fn received(pair: &Pair) -> Vec<String> {
    let text = fs::read_to_string(pair.path("received")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn rsyslog_receives_each_record_over_tls() {
    if missing(&["rsyslogd", "lmnsd_ossl.so"]).unwrap() {
        return;
    }
    rsyslog().unwrap();
}

fn rsyslog() -> Result<()> {
    let (mut pair, syslog_port) = (Pair::new()?, free_port()?);
    let authority = Authority::new("logs.test")?;
    fs::write(pair.path("ca.pem"), authority.certificate_pem())?;
    let hour = SignedDuration::from_hours(1);
    write(&pair, "rsyslog", &authority.leaf(&[], &["logs.test"], hour)?)?;
    write(&pair, "client", &authority.leaf(&[], &["steeple.test"], hour)?)?;
    let sink = format!(
        r#"sink "siem" {{ type = "syslog" address = "127.0.0.1:{syslog_port}" server_name = "logs.test" facility = "local3"
             ca_bundle_path = "ca.pem" certificate_path = "client.pem" key_path = "client.key" }}"#
    );
    with_sinks(&mut pair, &sink)?;
    let mut first = Rsyslog::start(&pair, &syslog_port)?;
    let mut server = pair.start_server()?;
    entry_id(&create(&pair, "first")?)?;
    server
        .wait_for(|| Ok(received(&pair).iter().any(|line| line.contains("/first\""))))
        .with_context(|| fs::read_to_string(pair.path("rsyslog.log")).unwrap_or_default())?;
    first.0.kill()?;
    first.0.wait()?;
    entry_id(&create(&pair, "second")?).context("while rsyslog is away")?;
    entry_id(&create(&pair, "third")?).context("while rsyslog is away")?;
    let _second = Rsyslog::start(&pair, &syslog_port)?;
    server.wait_for(|| Ok(received(&pair).iter().any(|line| line.contains("/third\""))))?;
    let trail = lines(&folder(&pair))?;
    ensure!(trail.len() > 3, "{trail:#?}");
    each_has_come(&trail, &received(&pair))?;
    stop(&mut server)
}

/// Each record has come at least once, its severity told by the header.
fn each_has_come(trail: &[String], received: &[String]) -> Result<()> {
    for line in trail {
        let came = received.iter().find(|one| one.ends_with(line.as_str())).with_context(|| format!("no {line}"))?;
        let severity = if line.contains("\"severity_id\":1,") { 6 } else { 5 };
        ensure!(came.starts_with(&format!("19 {severity} steeple ")), "{came}");
    }
    Ok(())
}
