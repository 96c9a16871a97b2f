//! What a workload's fetch costs the agent: on a connection that stays, and on a new one for each call.

use anyhow::{Context, Result};
use steeple_client::{connect_unix, workload_request};
use steeple_proto::workload::X509svidRequest;
use steeple_proto::workload::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use steeple_tests_interop::{Agent, AgentSettings, Join, Pair, Product, Rig, Server, ServerSettings};
use tonic::transport::Channel;

use crate::phase::{LENGTH, Phase, ROUNDS, phase};
use crate::table::{Figure, head};
use crate::{PRODUCTS, cores};

/// An agent with one entry, and its server.
pub(crate) struct Joined {
    /// The server.
    pub(crate) server: Server,
    /// The agent.
    pub(crate) agent: Agent,
    _rig: Rig,
}

impl Joined {
    /// Starts both; this very user gets an identity.
    pub(crate) fn start(product: Product) -> Result<Self> {
        let rig = Rig::new(Pair { server: product, agent: product })?;
        let server = rig.server(&ServerSettings { measured: true, ..Default::default() })?;
        let join = Join::Token(server.token("node")?);
        let user = rustix::process::geteuid().as_raw();
        server.entry("workload", "node", &format!("unix:uid:{user}"), &[])?;
        let agent = rig.agent(&server, &AgentSettings { measured: true, ..AgentSettings::new(join) })?;
        agent.await_svid("workload")?;
        Ok(Self { server, agent, _rig: rig })
    }

    async fn same_connection(&self) -> Result<Phase> {
        let channel = connect_unix(self.agent.socket());
        phase(self.agent.id()?, LENGTH, &mut [async || fetch(channel.clone()).await]).await
    }

    async fn new_connections(&self) -> Result<Phase> {
        phase(self.agent.id()?, LENGTH, &mut [async || fetch(connect_unix(self.agent.socket())).await]).await
    }
}

/// Measures and prints.
pub(crate) fn measure() -> Result<()> {
    let [go, ours] = PRODUCTS.map(|product| cores::apart(|| Joined::start(product)));
    let (go, ours) = (go?, ours?);
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let (mut same, mut new) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            same.push([go.same_connection().await?, ours.same_connection().await?]);
            new.push([go.new_connections().await?, ours.new_connections().await?]);
        }
        head();
        print("FetchX509SVID, same connection", &same);
        print("FetchX509SVID, new connections", &new);
        Ok(())
    })
}

fn print(what: &str, rounds: &[[Phase; 2]]) {
    Figure::of(rounds, |phase| phase.cpu).print(&format!("{what}: agent CPU, µs"), 1.0);
    Figure::of(rounds, |phase| phase.rate).print(&format!("{what}: rate, 1/s"), 1.0);
    Figure::of(rounds, |phase| phase.p50).print(&format!("{what}: p50, ms"), 1.0);
    Figure::of(rounds, |phase| phase.p99).print(&format!("{what}: p99, ms"), 1.0);
}

/// The first answer of a stream, as a workload gets it.
async fn fetch(channel: Channel) -> Result<()> {
    let mut client = SpiffeWorkloadApiClient::new(channel);
    let answers = client.fetch_x509svid(workload_request(X509svidRequest {})).await?;
    answers.into_inner().message().await?.context("no answer").map(drop)
}
