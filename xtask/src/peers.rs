//! `cargo xtask peers`: the programs that tests talk to, found or installed.

mod install;
mod list;

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::run;
pub(crate) use list::Peer;

/// The folder that holds what is installed for tests: `$STEEPLE_PEERS` or `.cache/peers`.
pub(crate) fn cache() -> PathBuf {
    std::env::var_os("STEEPLE_PEERS").map_or_else(|| run::root().join(".cache/peers"), PathBuf::from)
}

/// The peers that are not there.
pub(crate) fn absent() -> Vec<&'static Peer> {
    let cache = cache();
    list::PEERS.iter().filter(|peer| peer.find(&cache).is_none()).collect()
}

/// Lists the peers, or installs all or some.
///
/// # Errors
/// When a peer could not be installed; the message names each.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    match arguments {
        [] => {
            show();
            Ok(())
        }
        [verb, names @ ..] if verb == "install" => install(names),
        _ => bail!("usage: cargo xtask peers [install [NAME…]]"),
    }
}

fn show() {
    let cache = cache();
    for peer in list::PEERS {
        match peer.find(&cache) {
            Some(path) => println!("{:<14} {}", peer.name, path.display()),
            None => println!("{:<14} absent, to get it: {}", peer.name, peer.recipe()),
        }
    }
}

fn install(names: &[String]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| list::PEERS.iter().all(|peer| peer.name != **name)) {
        bail!("no peer is called {unknown:?}");
    }
    let wanted = |peer: &&Peer| names.is_empty() || names.iter().any(|name| name == peer.name);
    let failed: Vec<&str> =
        list::PEERS.iter().filter(wanted).filter(|peer| !install::one(peer)).map(|peer| peer.name).collect();
    if !failed.is_empty() {
        bail!("peers that could not be installed: {}", failed.join(", "));
    }
    Ok(())
}
