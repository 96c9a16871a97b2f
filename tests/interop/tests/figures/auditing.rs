//! What a durable audit trail costs: the same server with one and without.

use std::time::Duration;

use anyhow::{Result, ensure};
use steeple_tests_interop::Product;

use crate::cores;
use crate::issuing::{BATCH, Contender, server};
use crate::phase::{LENGTH, Phase, ROUNDS};
use crate::table::{Figure, at_most, head_of};

/// Largest part of the CPU time without a trail that an SVID may cost with one.
const CPU: f64 = 1.15;
/// Smallest part of the rate without a trail.
const RATE: f64 = 0.85;
/// How many ask at once: a trail's answers wait for the disk, and what waits together becomes durable together.
const CALLERS: usize = 64;

/// Measures, prints, and holds the figures to what is promised.
pub(crate) fn measure() -> Result<()> {
    let [without, with] = [false, true].map(|is_audited| cores::apart(|| server(Product::Steeple, is_audited)));
    let (without, with) = (without?, with?);
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let without = Contender::prepare(without, CALLERS, LENGTH).await?;
        rounds(&without, &Contender::prepare(with, CALLERS, LENGTH).await?).await
    })
}

/// Lets a server with a trail serve once what is measured.
pub(crate) fn rehearse() -> Result<()> {
    let server = server(Product::Steeple, true)?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let contender = Contender::prepare(server, 2, Duration::ZERO).await?;
        contender.x509(1).await?;
        contender.x509(BATCH.into()).await?;
        contender.jwt().await.map(drop)
    })
}

async fn rounds(without: &Contender, with: &Contender) -> Result<()> {
    let (mut single, mut batches, mut tokens) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        single.push([without.x509(1).await?, with.x509(1).await?]);
        batches.push([without.x509(BATCH.into()).await?, with.x509(BATCH.into()).await?]);
        tokens.push([without.jwt().await?, with.jwt().await?]);
    }
    head_of("without a trail", "with a trail");
    let mut promises = Vec::new();
    for (what, rounds, items) in [
        ("X.509-SVID, single calls", &single, 1),
        ("X.509-SVID, batches of 100", &batches, BATCH),
        ("JWT-SVID", &tokens, 1),
    ] {
        promises.push((what, print(what, rounds, items)));
    }
    for (what, [cpu, rate]) in promises {
        at_most(&format!("{what}: part of the CPU without a trail"), CPU, cpu.ratio())?;
        let rate = rate.ratio();
        ensure!(rate.median >= RATE, "{what}: part of the rate without a trail: {rate}, promised at least {RATE}");
    }
    Ok(())
}

/// Prints the rows of one kind of call; yields CPU time and rate.
fn print(what: &str, rounds: &[[Phase; 2]], items: u16) -> [Figure; 2] {
    let cpu = Figure::of(rounds, |phase| phase.cpu);
    cpu.print(&format!("{what}: server CPU of one, µs"), items.into());
    let rate = Figure::of(rounds, |phase| phase.rate);
    rate.print(&format!("{what}: rate, 1/s"), 1.0 / f64::from(items));
    Figure::of(rounds, |phase| phase.p50).print(&format!("{what}: p50 of a call, ms"), 1.0);
    Figure::of(rounds, |phase| phase.p99).print(&format!("{what}: p99 of a call, ms"), 1.0);
    [cpu, rate]
}
