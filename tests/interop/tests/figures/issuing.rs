//! What an SVID costs the server: X.509-SVIDs in single calls and in batches of 100, and JWT-SVIDs.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use steeple_crypto::keys::{KeyType, PrivateKey};
use steeple_proto::spire::api::server::svid::v1 as pb;
use steeple_proto::spire::api::server::svid::v1::svid_client::SvidClient;
use steeple_tests_interop::{Pair, Product, Rig, Server, ServerSettings};

use crate::callers::{Caller, answered, csr, entries};
use crate::phase::{LENGTH, Phase, ROUNDS, phase};
use crate::process::memory;
use crate::table::{Figure, at_most, head};
use crate::{PRODUCTS, cores};

const CALLERS: usize = 8;
pub(crate) const BATCH: u16 = 100;
/// Largest part of Go SPIRE's CPU time that an X.509-SVID may cost.
const PROMISED: f64 = 0.45;

/// A server with its callers and what they ask for.
pub(crate) struct Contender {
    server: Server,
    callers: Vec<Caller>,
    params: Vec<pb::NewX509svidParams>,
    /// Of a phase.
    length: Duration,
    _rig: Rig,
}

/// Measures, prints, and holds the figures to what is promised.
pub(crate) fn measure() -> Result<()> {
    let [go, ours] = PRODUCTS.map(|product| cores::apart(|| server(product, false)));
    let (go, ours) = (go?, ours?);
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        rounds([Contender::prepare(go, CALLERS, LENGTH).await?, Contender::prepare(ours, CALLERS, LENGTH).await?]).await
    })
}

/// Lets both serve once what is measured, whatever it costs.
pub(crate) fn rehearse() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for product in PRODUCTS {
        let server = server(product, false)?;
        runtime.block_on(async {
            let contender = Contender::prepare(server, CALLERS, Duration::ZERO).await?;
            contender.x509(1).await?;
            contender.x509(BATCH.into()).await?;
            contender.jwt().await
        })?;
    }
    Ok(())
}

/// A server as in production; one that `is_audited` keeps a trail.
pub(crate) fn server(product: Product, is_audited: bool) -> Result<(Server, Rig)> {
    let rig = Rig::new(Pair { server: product, agent: product })?;
    let server = rig.server(&ServerSettings { measured: true, is_audited, ..Default::default() })?;
    Ok((server, rig))
}

async fn rounds(contenders: [Contender; 2]) -> Result<()> {
    let [go, ours] = &contenders;
    let (mut single, mut batches, mut tokens) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        single.push([go.x509(1).await?, ours.x509(1).await?]);
        batches.push([go.x509(BATCH.into()).await?, ours.x509(BATCH.into()).await?]);
        tokens.push([go.jwt().await?, ours.jwt().await?]);
    }
    head();
    let single = print("X.509-SVID, single calls", &single, 1);
    let batches = print("X.509-SVID, batches of 100", &batches, BATCH);
    print("JWT-SVID", &tokens, 1);
    let after = [[memory(go.server.id()?)?, memory(ours.server.id()?)?]];
    Figure::of(&after, |memory| memory.resident).print("server after all that: resident, MB", 1.0);
    Figure::of(&after, |memory| memory.anonymous).print("server after all that: anonymous, MB", 1.0);
    at_most("part of Go's CPU for an X.509-SVID in single calls", PROMISED, single.ratio())?;
    at_most("part of Go's CPU for an X.509-SVID in batches of 100", PROMISED, batches.ratio())
}

/// Prints the rows of one kind of call, and yields the CPU time of a call.
fn print(what: &str, rounds: &[[Phase; 2]], items: u16) -> Figure {
    let cpu = Figure::of(rounds, |phase| phase.cpu);
    cpu.print(&format!("{what}: server CPU of one, µs"), items.into());
    per_core(rounds, items).print(&format!("{what}: of one core, 1/s"), 1.0);
    Figure::of(rounds, |phase| phase.rate).print(&format!("{what}: rate, 1/s"), 1.0 / f64::from(items));
    Figure::of(rounds, |phase| phase.p50).print(&format!("{what}: p50 of a call, ms"), 1.0);
    Figure::of(rounds, |phase| phase.p99).print(&format!("{what}: p99 of a call, ms"), 1.0);
    cpu
}

/// How many a core would issue that does nothing else.
fn per_core(rounds: &[[Phase; 2]], items: u16) -> Figure {
    Figure::of(rounds, |phase| f64::from(items) * 1e6 / phase.cpu)
}

impl Contender {
    pub(crate) async fn prepare((server, rig): (Server, Rig), count: usize, length: Duration) -> Result<Self> {
        let mut callers = Vec::new();
        for _ in 0..count {
            callers.push(Caller::join(&server).await?);
        }
        let csr = csr(&PrivateKey::generate(KeyType::EcP256)?)?;
        let ids = entries(&server, BATCH.into()).await?;
        let params = ids.into_iter().map(|entry_id| pb::NewX509svidParams { entry_id, csr: csr.clone() }).collect();
        Ok(Self { server, callers, params, length, _rig: rig })
    }

    /// Each caller asks for `count` SVIDs at a time.
    pub(crate) async fn x509(&self, count: usize) -> Result<Phase> {
        let params: Vec<_> = self.params.iter().take(count).cloned().collect();
        let request = pb::BatchNewX509svidRequest { params };
        self.measure(async |client| {
            let answer = client.batch_new_x509svid(request.clone()).await?.into_inner();
            let issued = answer.results.iter().filter(|result| result.svid.is_some()).count();
            ensure!(issued == count, "{issued} of {count} issued");
            Ok(())
        })
        .await
    }

    /// Each caller asks for a JWT-SVID.
    pub(crate) async fn jwt(&self) -> Result<Phase> {
        let entry_id = self.params.first().context("no entries")?.entry_id.clone();
        let request = pb::NewJwtsvidRequest { entry_id, audience: vec!["audience".into()] };
        self.measure(async |client| {
            client.new_jwtsvid(request.clone()).await?.into_inner().svid.context("no token").map(drop)
        })
        .await
    }

    async fn measure(
        &self,
        call: impl AsyncFn(&mut SvidClient<tonic::transport::Channel>) -> Result<()>,
    ) -> Result<Phase> {
        let call = &call;
        let mut callers = Vec::new();
        for caller in &self.callers {
            let mut client = SvidClient::new(caller.channel()?);
            let mut one = async move || call(&mut client).await;
            answered(&mut one).await?;
            callers.push(one);
        }
        phase(self.server.id()?, self.length, &mut callers).await
    }
}
