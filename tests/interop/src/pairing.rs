//! Which product plays which part, and how a scenario is run for a pair.

use std::path::Path;

use anyhow::Result;

use crate::peer;
use crate::product::Product;
use crate::rig::Rig;

/// A server's and an agent's maker.
#[derive(Debug, Clone, Copy)]
pub struct Pair {
    /// Who plays the server.
    pub server: Product,
    /// Who plays the agent.
    pub agent: Product,
}

/// Go SPIRE with itself: proves the scenario.
pub const GO: Pair = Pair { server: Product::Go, agent: Product::Go };
/// Ours with itself.
pub const OURS: Pair = Pair { server: Product::Steeple, agent: Product::Steeple };
/// Ours with Go, each way.
pub const MIXED: [Pair; 2] =
    [Pair { server: Product::Go, agent: Product::Steeple }, Pair { server: Product::Steeple, agent: Product::Go }];

/// Runs a scenario for one pair; left out when a program is absent.
///
/// # Panics
/// When the scenario fails: with its error and the end of each log.
#[expect(clippy::panic, reason = "a failed case is a panic of its test")]
pub fn run(pair: Pair, peers: &[&str], scenario: fn(&Rig) -> Result<()>) {
    let needed: Vec<&str> = [pair.server.peers(), pair.agent.peers(), peers].concat();
    let result = peer::missing(&needed).and_then(|missing| if missing { Ok(()) } else { attempt(pair, scenario) });
    if let Err(error) = result {
        panic!("{error:?}");
    }
}

/// Runs a scenario that wants only a server, of one product.
///
/// # Panics
/// As [`run`].
pub fn run_server(product: Product, peers: &[&str], scenario: fn(&Rig) -> Result<()>) {
    run(Pair { server: product, agent: product }, peers, scenario);
}

/// Runs a case that starts no pair; left out when a peer is absent.
///
/// # Panics
/// When the case fails.
#[expect(clippy::panic, reason = "a failed case is a panic of its test")]
pub fn with_peers(peers: &[&str], case: fn() -> Result<()>) {
    let result = peer::missing(peers).and_then(|missing| if missing { Ok(()) } else { case() });
    if let Err(error) = result {
        panic!("{error:?}");
    }
}

fn attempt(pair: Pair, scenario: fn(&Rig) -> Result<()>) -> Result<()> {
    let mut rig = Rig::new(pair)?;
    let result = scenario(&rig);
    if result.is_err() {
        show_logs(&rig);
        if std::env::var_os("STEEPLE_KEEP").is_some() {
            rig.keep();
            eprintln!("kept: {}", rig.folder().display());
        }
    }
    result
}

/// Shows the end of each log of a rig and of those in its folder.
fn show_logs(rig: &Rig) {
    let within = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let own = within(rig.folder());
    let others: Vec<_> = own.iter().flat_map(|path| within(path)).collect();
    for path in own.into_iter().chain(others) {
        if path.extension().is_some_and(|extension| extension == "log") {
            let text = std::fs::read(&path).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<&str> = text.lines().collect();
            let end = lines.get(lines.len().saturating_sub(40)..).unwrap_or_default();
            eprintln!("--- {}\n{}", path.display(), end.join("\n"));
        }
    }
}

/// Makes a test of each scenario for each pair of products.
#[macro_export]
macro_rules! pairings {
    ($($scenario:ident),+ $(,)?) => { $crate::pairings!(needs []; $($scenario),+); };
    (needs $peers:tt; $($scenario:ident),+ $(,)?) => {
        mod go_server_go_agent {
            $(#[test] fn $scenario() { $crate::run($crate::GO, &$peers, super::$scenario); })+
        }
        mod go_server_our_agent {
            $(#[test] fn $scenario() { $crate::run($crate::MIXED[0], &$peers, super::$scenario); })+
        }
        mod our_server_go_agent {
            $(#[test] fn $scenario() { $crate::run($crate::MIXED[1], &$peers, super::$scenario); })+
        }
        mod our_server_our_agent {
            $(#[test] fn $scenario() { $crate::run($crate::OURS, &$peers, super::$scenario); })+
        }
    };
}
