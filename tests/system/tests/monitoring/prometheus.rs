//! A Prometheus with the rules that are shipped, whose minutes are seconds.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use steeple_tests_system::dev::free_port;
use tempfile::TempDir;

use crate::static_checks::folder;

/// Longest that alerts may take to come or go.
const PATIENCE: Duration = Duration::from_mins(5);
/// Fires always, and is of no interest here.
const WATCHDOG: &str = "MetaWatchdog";

/// A running Prometheus; it is killed when it is dropped.
pub(crate) struct Prometheus {
    child: Child,
    port: String,
    _folder: TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Prometheus {
    /// Scrapes the `targets`, names of jobs with ports of this machine, every second.
    pub(crate) fn start(targets: &[(&str, &str)]) -> Result<Self> {
        Self::start_with(targets, &[])
    }

    /// The same, where some alerts may fire from the start.
    pub(crate) fn start_with(targets: &[(&str, &str)], alerts: &[&str]) -> Result<Self> {
        let (place, port) = (tempfile::tempdir()?, free_port()?);
        let rules = fs::read_to_string(folder().join("rules.yaml"))?;
        fs::write(place.path().join("rules.yaml"), in_seconds(&rules))?;
        let mut config =
            "global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [rules.yaml]\n".to_owned();
        config.push_str("scrape_configs:\n");
        for (job, target) in targets {
            config.push_str("  - job_name: ");
            config.push_str(job);
            config.push_str("\n    static_configs: [{targets: ['127.0.0.1:");
            config.push_str(target);
            config.push_str("']}]\n");
        }
        let file = place.path().join("prometheus.yml");
        fs::write(&file, config)?;
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", place.path().join("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let log = fs::File::create(place.path().join("log"))?;
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let prometheus = Self { child, port, _folder: place };
        wait(|| {
            let is_scraped = prometheus.query("up == 1").is_ok_and(|found| found.len() == targets.len());
            Ok(if is_scraped { Ok(()) } else { Err("Prometheus has not scraped all of its targets".to_owned()) })
        })?;
        // Before it knew its targets it may have taken the server for absent.
        prometheus.wait_for_others(alerts)?;
        Ok(prometheus)
    }

    /// The results of a query.
    pub(crate) fn query(&self, query: &str) -> Result<Vec<Value>> {
        let answer = self.get(&format!("/api/v1/query?query={}", escaped(query)))?;
        let results = answer.pointer("/data/result").and_then(Value::as_array);
        Ok(results.with_context(|| format!("{query}: {answer}"))?.clone())
    }

    /// Waits until a query has results: rates take two scrapes.
    pub(crate) fn wait_for_data(&self, query: &str) -> Result<()> {
        wait(|| Ok(if self.query(query)?.is_empty() { Err(format!("no data for {query}")) } else { Ok(()) }))
    }

    /// The names of the alerts that fire.
    pub(crate) fn firing(&self) -> Result<BTreeSet<String>> {
        let answer = self.get("/api/v1/alerts")?;
        let alerts = answer.pointer("/data/alerts").and_then(Value::as_array);
        let alerts = alerts.with_context(|| format!("alerts: {answer}"))?.iter();
        let firing = alerts.filter(|alert| alert.get("state").is_some_and(|state| state == "firing"));
        let names = firing.filter_map(|alert| alert.pointer("/labels/alertname")?.as_str());
        Ok(names.filter(|name| *name != WATCHDOG).map(str::to_owned).collect())
    }

    /// Waits until exactly these alerts fire; others must not, at any time.
    pub(crate) fn wait_for(&self, alerts: &[&str]) -> Result<()> {
        self.wait_for_while(alerts, || Ok(()))
    }

    /// The same, while something is done again and again.
    pub(crate) fn wait_for_while(&self, alerts: &[&str], mut deed: impl FnMut() -> Result<()>) -> Result<()> {
        let wanted: BTreeSet<String> = alerts.iter().map(|&name| name.to_owned()).collect();
        wait(|| {
            deed()?;
            let firing = self.firing()?;
            ensure!(firing.is_subset(&wanted), "{firing:?} fire, where {wanted:?} should");
            Ok(if firing == wanted { Ok(()) } else { Err(format!("only {firing:?} of {wanted:?} fire")) })
        })
    }

    /// Waits until no alert fires any more.
    pub(crate) fn wait_for_silence(&self) -> Result<()> {
        self.wait_for_others(&[])
    }

    /// Waits until no alert but these fires any more.
    fn wait_for_others(&self, alerts: &[&str]) -> Result<()> {
        wait(|| {
            let mut firing = self.firing()?;
            firing.retain(|name| !alerts.contains(&name.as_str()));
            Ok(if firing.is_empty() { Ok(()) } else { Err(format!("{firing:?} still fire")) })
        })
    }

    fn get(&self, path: &str) -> Result<Value> {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{}", self.port))?;
        // By HTTP/1.0 answers are not cut into chunks.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
        serde_json::from_str(body).with_context(|| format!("{path}: {answer}"))
    }
}

/// Looks again and again until it is so; in the end, says what is in the way.
#[expect(clippy::disallowed_methods, reason = "other processes are waited for, whose clock is the machine's")]
fn wait(mut look: impl FnMut() -> Result<Result<(), String>>) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        match look()? {
            Ok(()) => return Ok(()),
            Err(reason) if Instant::now() > until => bail!(reason),
            Err(_) => sleep(Duration::from_millis(300)),
        }
    }
}

/// The rules, in which every minute is a second.
fn in_seconds(rules: &str) -> String {
    let windows = regex::Regex::new(r"\[(\d+)m\]").map(|pattern| pattern.replace_all(rules, "[${1}s]").into_owned());
    let windows = windows.unwrap_or_default();
    let holds = regex::Regex::new(r"(?m)^(\s*for:\s*)(\d+)m$");
    holds.map(|pattern| pattern.replace_all(&windows, "${1}${2}s").into_owned()).unwrap_or_default()
}

fn escaped(query: &str) -> String {
    let mut out = String::new();
    for byte in query.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            out.extend(['%', hex(byte >> 4), hex(byte & 15)]);
        }
    }
    out
}

fn hex(digit: u8) -> char {
    char::from_digit(digit.into(), 16).unwrap_or('0')
}

#[test]
fn minutes_of_rules_become_seconds() {
    let rules = "expr: rate(a[60m]) > rate(b[5m])\n  for: 2m\n";
    assert_eq!(in_seconds(rules), "expr: rate(a[60s]) > rate(b[5s])\n  for: 2s\n");
}
