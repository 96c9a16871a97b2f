//! How much memory daemons hold that have nothing to do.

use std::time::Duration;

use anyhow::Result;

use crate::PRODUCTS;
use crate::fetching::Joined;
use crate::process::{Memory, memory};
use crate::table::{Figure, at_most, head};

const ROUNDS: usize = 3;
/// Long enough for two syncs of an agent.
const REST: Duration = Duration::from_secs(12);

/// Measures, prints, and holds the figures to what is promised.
pub(crate) fn measure() -> Result<()> {
    let (mut servers, mut agents) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let [go, ours] = PRODUCTS.map(Joined::start);
        let (go, ours) = (go?, ours?);
        std::thread::sleep(REST);
        servers.push([memory(go.server.id()?)?, memory(ours.server.id()?)?]);
        agents.push([memory(go.agent.id()?)?, memory(ours.agent.id()?)?]);
    }
    head();
    let server = print("idle server, one agent, one entry", &servers);
    let agent = print("idle agent, one entry", &agents);
    at_most("MB resident in an idle server", 40.0, server.ours())?;
    at_most("MB resident in an idle agent", 20.0, agent.ours())
}

fn print(what: &str, rounds: &[[Memory; 2]]) -> Figure {
    let resident = Figure::of(rounds, |memory| memory.resident);
    resident.print(&format!("{what}: resident, MB"), 1.0);
    Figure::of(rounds, |memory| memory.anonymous).print(&format!("{what}: anonymous, MB"), 1.0);
    resident
}
