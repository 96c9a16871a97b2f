//! Two servers that are written to all the time know the same at each pause.
#![expect(clippy::disallowed_methods, reason = "whole programs are tested on the machine's clock")]

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use steeple_client::connect_unix;
use steeple_proto::spire::api::server::entry::v1::BatchCreateEntryRequest;
use steeple_proto::spire::api::server::entry::v1::entry_client::EntryClient;
use steeple_proto::spire::api::types;
use steeple_tests_databases::Session;
use steeple_tests_interop::{OURS, Rig, TRUST_DOMAIN, poll, run};

use super::{Database, on_databases, on_mariadb, on_postgres, two};

on_databases! { OURS, ["openssl"]; servers_agree_at_every_pause }

/// Writes of each server in a second, seconds of writing, and how often.
const RATE: u32 = 50;
const SECONDS: u32 = 3;
const PAUSES: u32 = 4;

/// What a server has told of itself.
#[derive(Debug)]
struct Told {
    revision: u64,
    state: String,
}

fn servers_agree_at_every_pause(rig: &Rig, database: &Database<'_>) -> Result<()> {
    let servers = two(rig, database)?.servers;
    let mut session = (database.session)()?;
    // Servers tell more often once they know of each other.
    poll::until("two servers that know of each other", || Ok((told(&mut session)?.len() == 2).then_some(())))?;
    for pause in 0..PAUSES {
        let writers = servers.each_ref().map(|server| {
            let (socket, name) = (server.socket().to_path_buf(), format!("p{pause}-{}", server.port()));
            std::thread::spawn(move || write(&socket, &name))
        });
        for writer in writers {
            writer.join().map_err(|_| anyhow::anyhow!("a writer panicked"))??;
        }
        let ended = Instant::now();
        let latest = number(&mut session, "SELECT latest FROM steeple_revision")?;
        let agreed = poll::until("servers that agree", || {
            let told = told(&mut session)?;
            let is_there = told.iter().all(|told| told.revision == latest);
            Ok(is_there.then_some((told, ended.elapsed())))
        })?;
        let ([first, second], elapsed) = (agreed.0.as_slice(), agreed.1) else { anyhow::bail!("{agreed:?}") };
        ensure!(first.state == second.state, "{first:?} {second:?}");
        let written = u64::from((pause + 1) * RATE * SECONDS * 2);
        ensure!(number(&mut session, "SELECT COUNT(*) FROM registered_entries")? == written);
        println!("pause {pause}: both at revision {latest} with the same state after {:.2} s", elapsed.as_secs_f64());
    }
    for server in &servers {
        ensure!(!server.log()?.contains("Another server has other entries"), "{}", server.log()?);
    }
    Ok(())
}

fn told(session: &mut Session) -> Result<Vec<Told>> {
    let rows = session.run("SELECT revision, state FROM steeple_servers ORDER BY instance")?;
    rows.iter()
        .map(|row| {
            let (revision, state) = row.split_once(['|', '\t']).with_context(|| format!("row {row:?}"))?;
            Ok(Told { revision: revision.parse()?, state: state.to_owned() })
        })
        .collect()
}

fn number(session: &mut Session, statement: &str) -> Result<u64> {
    let rows = session.run(statement)?;
    let [row] = rows.as_slice() else { anyhow::bail!("{statement}: {rows:?}") };
    Ok(row.parse()?)
}

/// Makes entries one by one, at the rate.
fn write(socket: &Path, name: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut client = EntryClient::new(connect_unix(socket));
        let mut tick = tokio::time::interval(Duration::from_secs(1) / RATE);
        for number in 0..RATE * SECONDS {
            tick.tick().await;
            let entries = vec![entry(&format!("{name}-{number}"))];
            let request = BatchCreateEntryRequest { entries, output_mask: None };
            let results = client.batch_create_entry(request).await?.into_inner().results;
            let status = results.first().and_then(|result| result.status.clone()).context("no result")?;
            ensure!(status.code == 0, "{status:?}");
        }
        Ok(())
    })
}

fn entry(name: &str) -> types::Entry {
    let id = |path: String| types::Spiffeid { trust_domain: TRUST_DOMAIN.to_owned(), path };
    types::Entry {
        spiffe_id: Some(id(format!("/{name}"))),
        parent_id: Some(id("/host".to_owned())),
        selectors: vec![types::Selector { r#type: "unix".to_owned(), value: "uid:7".to_owned() }],
        ..types::Entry::default()
    }
}
