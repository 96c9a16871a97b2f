//! Sinks: what receivers get of the trail, and what becomes of it when they don't take it.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};
use jiff::SignedDuration;
use serde_json::Value;
use steeple_crypto::digest::hmac_sha256;
use steeple_tests_system::authority::Authority;
use steeple_tests_system::dev::free_port;
use steeple_tests_system::http;
use steeple_tests_system::pair::{Pair, Program};
use steeple_tests_system::receiver::Receiver;

use crate::trail::{create, entry_id, folder, lines, stop};

const OK: (&str, &str) = ("200 OK", "{}");

/// A pair with a trail that has these sinks, and metrics on a port.
pub(crate) fn with_sinks(pair: &mut Pair, sinks: &str) -> Result<String> {
    let port = free_port()?;
    pair.server_blocks = format!(
        "audit {{ directory = \"{}\" {sinks} }}\ntelemetry {{ Prometheus {{ host = \"127.0.0.1\" port = {port} }} }}\n",
        folder(pair).display()
    );
    Ok(port)
}

/// A receiver on `localhost` whose authority stands in `ca.pem` of the pair.
fn receiver(
    pair: &Pair,
    authority: &Authority,
    answer: impl Fn(&str) -> (&'static str, &'static str) + Send + Sync + 'static,
) -> Result<Receiver> {
    fs::write(pair.path("ca.pem"), authority.certificate_pem())?;
    Receiver::start(&authority.leaf(&[], &["localhost"], SignedDuration::from_hours(1))?, answer)
}

/// What stands in all posts, a line each.
fn posted(receiver: &Receiver) -> Vec<String> {
    let posts = receiver.posts();
    posts.iter().flat_map(|post| post.body.lines()).map(str::to_owned).collect()
}

/// The value of a metric of a sink.
fn metric(port: &str, name: &str, sink: &str) -> Result<f64> {
    let (_, page) = http::get(port, "/metrics")?;
    let line = format!("steeple_audit_sink_{name}{{sink=\"{sink}\"}} ");
    let value = page.lines().find_map(|one| one.strip_prefix(&line));
    Ok(value.with_context(|| format!("no {line} in\n{page}"))?.parse()?)
}

/// The sink has come to the end of the trail, which its metrics say every five seconds.
fn wait_for_all(server: &mut Program, port: &str, sink: &str) -> Result<()> {
    server.wait_for(|| {
        let is_known = metric(port, "up", sink).is_ok();
        Ok(is_known && metric(port, "up", sink)? > 0.0 && metric(port, "waiting_records", sink)? < 0.5)
    })
}

#[test]
fn receivers_of_otlp_and_of_a_webhook_get_each_record() {
    each_gets_all().unwrap();
}

fn each_gets_all() -> Result<()> {
    let mut pair = Pair::new()?;
    let authority = Authority::new("receivers.test")?;
    let (otlp, hook) = (receiver(&pair, &authority, |_| OK)?, receiver(&pair, &authority, |_| OK)?);
    fs::write(pair.path("secret"), "the secret\n")?;
    fs::write(pair.path("token"), "the token\n")?;
    let sinks = format!(
        r#"sink "otel" {{ type = "otlp" url = "https://localhost:{}/v1/logs" ca_bundle_path = "ca.pem" token_path = "token" }}
           sink "hook" {{ type = "webhook" url = "https://localhost:{}/audit?of=steeple" ca_bundle_path = "ca.pem" secret_path = "secret" }}
           sink "ecs" {{ type = "file" path = "ecs.jsonl" format = "ecs" }}
           sink "cef" {{ type = "file" path = "cef.log" format = "cef" events = ["entry_*"] }}
           sink "out" {{ type = "stdout" min_severity = 2 }}"#,
        otlp.port, hook.port
    );
    let port = with_sinks(&mut pair, &sinks)?;
    let mut server = pair.start_server()?;
    for number in 0..3 {
        entry_id(&create(&pair, &format!("e{number}"))?)?;
    }
    stop(&mut server)?;
    ensure!(!server.log().contains("last records after the next start"), "{}", server.log());
    let trail = lines(&folder(&pair))?;
    ensure!(trail.iter().any(|line| line.contains("\"server_stopped\"")), "the end is not in the trail");
    ensure!(posted(&hook) == trail, "the webhook has\n{:#?}\nand not\n{trail:#?}", posted(&hook));
    for post in hook.posts() {
        let signature = hex::encode(hmac_sha256(b"the secret", post.body.as_bytes()));
        ensure!(post.head.contains(&format!("steeple-signature-256: {signature}\r\n")), "{}", post.head);
        ensure!(post.head.starts_with("post /audit?of=steeple http/1.1\r\n"), "{}", post.head);
    }
    let mut told = Vec::new();
    for post in otlp.posts() {
        ensure!(post.head.contains("authorization: bearer the token\r\n"), "{}", post.head);
        let body: Value = serde_json::from_str(&post.body)?;
        let logs = body.pointer("/resourceLogs/0/scopeLogs/0/logRecords").and_then(Value::as_array);
        let body = |log: &Value| log.pointer("/body/stringValue").and_then(Value::as_str).map(str::to_owned);
        told.extend(logs.context("no logs")?.iter().filter_map(body));
    }
    ensure!(told == trail, "the receiver of OTLP has\n{told:#?}\nand not\n{trail:#?}");
    let ecs = fs::read_to_string(pair.path("ecs.jsonl"))?;
    ensure!(ecs.lines().count() == trail.len() && ecs.contains(r#""action":"entry_created""#), "{ecs}");
    let cef = fs::read_to_string(pair.path("cef.log"))?;
    let is_entrys = |line: &str| line.starts_with("CEF:0|steeple|steeple|") && line.contains("|entry_created|");
    ensure!(cef.lines().count() == 3 && cef.lines().all(is_entrys), "{cef}");
    ensure!(server.log().contains(r#""event_code":"server_stopped""#), "{}", server.log());
    ensure!(!server.log().contains(r#""event_code":"entry_created""#), "severity 1 is filtered out");
    ensure!(!port.is_empty());
    Ok(())
}

#[test]
fn blocked_sink_slows_nobody_and_its_lag_shows() {
    one_is_blocked().unwrap();
}

fn one_is_blocked() -> Result<()> {
    let mut pair = Pair::new()?;
    let hook = receiver(&pair, &Authority::new("receivers.test")?, |_| OK)?;
    let sinks = format!(
        r#"sink "hook" {{ type = "webhook" url = "https://localhost:{}" ca_bundle_path = "ca.pem" }}
           sink "file" {{ type = "file" path = "copy.jsonl" }}"#,
        hook.port
    );
    let port = with_sinks(&mut pair, &sinks)?;
    hook.block(true);
    let mut server = pair.start_server()?;
    for number in 0..5 {
        entry_id(&create(&pair, &format!("e{number}"))?).context("while a sink is blocked")?;
    }
    let is_behind =
        || anyhow::Ok(metric(&port, "lag_seconds", "hook")? > 0.0 && metric(&port, "waiting_records", "hook")? > 5.0);
    server.wait_for(|| Ok(metric(&port, "up", "hook").is_ok() && is_behind()?))?;
    wait_for_all(&mut server, &port, "file")?;
    ensure!(hook.posts().is_empty(), "it was not blocked");
    hook.block(false);
    wait_for_all(&mut server, &port, "hook")?;
    ensure!(metric(&port, "lag_seconds", "hook")? < f64::EPSILON, "nothing waits, and there is a lag");
    ensure!(metric(&port, "lost_records_total", "hook")? < 0.5, "something is lost");
    stop(&mut server)?;
    let trail = lines(&folder(&pair))?;
    ensure!(posted(&hook) == trail, "after a pause the webhook has\n{:#?}\nand not\n{trail:#?}", posted(&hook));
    Ok(())
}

#[test]
fn sink_whose_receiver_was_away_goes_on_where_it_was() {
    one_is_away().unwrap();
}

fn one_is_away() -> Result<()> {
    let mut pair = Pair::new()?;
    let authority = Authority::new("receivers.test")?;
    let hook = receiver(&pair, &authority, |_| OK)?;
    let url = |port: u16| {
        format!(r#"sink "hook" {{ type = "webhook" url = "https://localhost:{port}" ca_bundle_path = "ca.pem" }}"#)
    };
    let _port = with_sinks(&mut pair, &url(hook.port))?;
    let mut server = pair.start_server()?;
    entry_id(&create(&pair, "first")?)?;
    server.wait_for(|| Ok(posted(&hook).iter().any(|line| line.contains("/first\""))))?;
    let before = posted(&hook);
    drop(hook);
    entry_id(&create(&pair, "second")?).context("while the receiver is away")?;
    server.kill()?;
    let hook = receiver(&pair, &authority, |_| OK)?;
    let _port = with_sinks(&mut pair, &url(hook.port))?;
    let mut server = pair.start_server()?;
    stop(&mut server)?;
    let (trail, after) = (lines(&folder(&pair))?, posted(&hook));
    let all: BTreeSet<&String> = before.iter().chain(&after).collect();
    ensure!(trail.iter().all(|line| all.contains(line)), "something is missing in\n{after:#?}");
    ensure!(after.iter().any(|line| line.contains("/second\"")), "{after:#?}");
    ensure!(before.last().is_some_and(|last| !after.contains(last)), "what had arrived came again:\n{after:#?}");
    Ok(())
}

#[test]
fn record_that_a_receiver_refuses_keeps_nothing_back() {
    one_is_refused().unwrap();
}

fn one_is_refused() -> Result<()> {
    let mut pair = Pair::new()?;
    let answer = |body: &str| if body.contains("/poison\"") { ("400 Bad Request", "no poison") } else { OK };
    let hook = receiver(&pair, &Authority::new("receivers.test")?, answer)?;
    let sink = format!(
        r#"sink "hook" {{ type = "webhook" url = "https://localhost:{}" ca_bundle_path = "ca.pem" }}"#,
        hook.port
    );
    let port = with_sinks(&mut pair, &sink)?;
    hook.block(true);
    let mut server = pair.start_server()?;
    for name in ["before", "poison", "after"] {
        entry_id(&create(&pair, name)?)?;
    }
    hook.block(false);
    server.wait_for(|| Ok(metric(&port, "lost_records_total", "hook").is_ok_and(|lost| lost > 0.5)))?;
    ensure!((metric(&port, "lost_records_total", "hook")? - 1.0).abs() < f64::EPSILON, "more than one is lost");
    stop(&mut server)?;
    let wanted: Vec<String> = lines(&folder(&pair))?.into_iter().filter(|line| !line.contains("/poison\"")).collect();
    ensure!(posted(&hook) == wanted, "the webhook has\n{:#?}\nand not\n{wanted:#?}", posted(&hook));
    ensure!(server.log().contains("no poison"), "{}", server.log());
    Ok(())
}
