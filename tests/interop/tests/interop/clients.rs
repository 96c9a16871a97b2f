//! Workloads written with others' libraries.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use spiffe::{JwtSource, X509Source};
use steeple_tests_interop::{
    Agent, Process, Rig, Server, TRUST_DOMAIN, command, free_port, pairings, peer, poll, rig_id,
};

use crate::identities::joined;

pairings!(
    needs ["workload", "grpc-python"];
    go_spiffe_fetches_x509_and_jwt,
    go_spiffe_feels_no_rotation,
    python_grpc_with_its_default_authority,
    rust_spiffe_follows_a_rotation,
);

/// A joined pair and an entry `w` of this very user, renewed every few seconds.
fn rotating(rig: &Rig) -> Result<(Server, Agent)> {
    let (server, agent) = joined(rig)?;
    server.entry("w", "host", "unix:uid:0", &["-x509SVIDTTL", "10", "-hint", "h"])?;
    agent.await_svid("w")?;
    Ok((server, agent))
}

/// The go-spiffe program with the agent's socket as second argument.
pub(crate) fn workload(agent: &Agent, verb: &str, more: &[&str]) -> Result<Command> {
    let mut command = Command::new(peer::path("workload")?);
    command.arg(verb).arg(agent.socket()).args(more);
    Ok(command)
}

fn go_spiffe_fetches_x509_and_jwt(rig: &Rig) -> Result<()> {
    let (_server, agent) = rotating(rig)?;
    let x509 = command::stdout(&mut workload(&agent, "fetch", &[])?)?;
    ensure!(x509.starts_with(&rig_id("w")) && x509.trim_end().ends_with(" h"), "{x509}");
    let jwt = command::stdout(&mut workload(&agent, "jwt", &["db"])?)?;
    ensure!(jwt.trim_end() == format!("{} [db]", rig_id("w")), "{jwt}");
    Ok(())
}

fn go_spiffe_feels_no_rotation(rig: &Rig) -> Result<()> {
    let (_server, agent) = rotating(rig)?;
    let address = format!("127.0.0.1:{}", free_port()?);
    let serve = Process::start(&mut workload(&agent, "serve", &[&address])?, &rig.folder().join("serve.log"))?;
    poll::until("the listening workload", || Ok(serve.printed()?.contains("listening").then_some(())))?;
    let calls = command::stdout(&mut workload(&agent, "call", &[&address, "4"])?)?;
    ensure!(calls.contains(" 4 certificates"), "{calls}");
    Ok(())
}

fn python_grpc_with_its_default_authority(rig: &Rig) -> Result<()> {
    let (_server, agent) = rotating(rig)?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/fetch.py");
    let mut python = Command::new(peer::path("grpc-python")?);
    let said = command::stdout(python.arg(script).arg(agent.socket()).arg(rig_id("w")))?;
    ensure!(said.trim() == "in order", "{said}");
    Ok(())
}

fn rust_spiffe_follows_a_rotation(rig: &Rig) -> Result<()> {
    let (_server, agent) = rotating(rig)?;
    let endpoint = format!("unix:{}", agent.socket().display());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        tokio::time::timeout(poll::PATIENCE, follow(&endpoint)).await.context("no rotation was seen")?
    })
}

async fn follow(endpoint: &str) -> Result<()> {
    let source = X509Source::builder().endpoint(endpoint).build().await?;
    let first = source.svid()?;
    ensure!(first.spiffe_id().to_string() == rig_id("w"));
    let mut updates = source.updated();
    while Arc::ptr_eq(&first, &source.svid()?) || first.leaf().as_bytes() == source.svid()?.leaf().as_bytes() {
        updates.changed().await?;
    }
    ensure!(source.bundle_set()?.len() == 1, "bundles of other trust domains than {TRUST_DOMAIN}");
    source.shutdown_with_timeout(Duration::from_secs(5)).await?;
    let jwt = JwtSource::builder().endpoint(endpoint).build().await?;
    let token = jwt.fetch_jwt_svid(["db"]).await?;
    ensure!(token.spiffe_id().to_string() == rig_id("w"));
    jwt.shutdown_with_timeout(Duration::from_secs(5)).await?;
    Ok(())
}
