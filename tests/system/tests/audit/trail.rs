//! A pair whose server keeps a trail, and what is in one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use steeple_crypto::pem;
use steeple_crypto::x509::Certificate;
use steeple_tests_system::golden::Outcome;
use steeple_tests_system::pair::{Pair, Program};
use steeple_tests_system::rig::TRUST_DOMAIN;

/// The agent of the tests.
pub(crate) const AGENT: &str = "agent";

/// The place of the trail of a pair.
pub(crate) fn folder(pair: &Pair) -> PathBuf {
    pair.path("audit")
}

/// The block that has a server keep its trail in a folder, with a checkpoint after every fourth record.
pub(crate) fn block(folder: &Path) -> String {
    format!("audit {{ directory = \"{}\" checkpoint_records = 4 }}\n", folder.display())
}

/// A pair whose server keeps a trail in [`folder()`].
pub(crate) fn audited() -> Result<Pair> {
    let mut pair = Pair::new()?;
    pair.server_blocks = block(&folder(&pair));
    Ok(pair)
}

/// Creates an entry that no agent has, of the ID `/name`.
pub(crate) fn create(pair: &Pair, name: &str) -> Result<Outcome> {
    let parent = format!("spiffe://{TRUST_DOMAIN}/node/nobody");
    create_below(pair, &parent, name, "unix:uid:1")
}

/// Creates an entry; the answer is JSON.
pub(crate) fn create_below(pair: &Pair, parent: &str, name: &str, selector: &str) -> Result<Outcome> {
    let id = format!("spiffe://{TRUST_DOMAIN}/{name}");
    let flags = ["-parentID", parent, "-spiffeID", &id, "-selector", selector, "-output", "json"];
    pair.server("entry create", &flags)
}

/// The ID of the entry that was created.
pub(crate) fn entry_id(created: &Outcome) -> Result<String> {
    ensure!(created.exit == 0, "entry create: {created:?}");
    let answer: Value = serde_json::from_str(&created.stdout)?;
    // The command ends well when it could print what became of each entry.
    ensure!(answer.pointer("/results/0/status/code") == Some(&Value::from(0)), "entry create: {}", created.stdout);
    let id = answer.pointer("/results/0/entry/id").and_then(Value::as_str);
    id.map(str::to_owned).with_context(|| format!("no entry in the answer: {created:?}"))
}

/// Asks a program to stop, and waits until it has.
pub(crate) fn stop(program: &mut Program) -> Result<()> {
    program.terminate()?;
    ensure!(program.end()?.success(), "{}", program.log());
    Ok(())
}

/// A server does not start; yields the last line of its log.
pub(crate) fn refused(pair: &Pair) -> Result<String> {
    let mut server = pair.launch_server()?;
    let ended = server.end()?;
    let log = server.log();
    ensure!(!ended.success() && !log.contains("panicked"), "{ended}\n{log}");
    let last = log.lines().last().unwrap_or_default();
    println!("{last}");
    Ok(last.to_owned())
}

/// Serial numbers of the leaves in files such as `svid.0.pem` of a folder.
pub(crate) fn serials(folder: &Path) -> Result<Vec<String>> {
    let mut serials = Vec::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !name.starts_with("svid") || path.extension().is_none_or(|extension| extension != "pem") {
            continue;
        }
        let chain = pem::certificates(&fs::read_to_string(&path)?)?;
        let leaf = chain.first().with_context(|| format!("{} is empty", path.display()))?;
        serials.push(Certificate::from_der(leaf)?.serial_decimal());
    }
    Ok(serials)
}

/// The whole lines of a trail, without their line feeds.
pub(crate) fn lines(folder: &Path) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    for file in fs::read_dir(folder)? {
        paths.push(file?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    paths.sort();
    let mut lines = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path)?;
        lines.extend(text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned));
    }
    Ok(lines)
}

/// What a record is of, such as `entry_created`.
pub(crate) fn event(line: &str) -> Result<String> {
    let record: Value = serde_json::from_str(line)?;
    let event = record.pointer("/metadata/event_code").and_then(Value::as_str);
    event.map(str::to_owned).with_context(|| format!("no event in {line}"))
}

/// Each of `texts` stands, as a whole JSON text, in a record of this event.
pub(crate) fn has_all(folder: &Path, wanted: &str, texts: &[String]) -> Result<()> {
    let mut there = String::new();
    for line in lines(folder)? {
        if event(&line)? == wanted {
            there.push_str(&line);
        }
    }
    for text in texts {
        ensure!(there.contains(&format!("\"{text}\"")), "no {wanted} of {text} in {}", folder.display());
    }
    Ok(())
}
