//! What the program costs beside Go SPIRE, measured in the same run: `cargo xtask bench --against-spire`.
//!
//! What depends on speed does not run with other tests; it wants a release build.
#![expect(clippy::disallowed_methods, reason = "whole programs are measured on the machine's clock")]

#[path = "figures/auditing.rs"]
mod auditing;
#[path = "figures/callers.rs"]
mod callers;
#[path = "figures/cores.rs"]
mod cores;
#[path = "figures/fetching.rs"]
mod fetching;
#[path = "figures/idling.rs"]
mod idling;
#[path = "figures/issuing.rs"]
mod issuing;
#[path = "figures/phase.rs"]
mod phase;
#[path = "figures/process.rs"]
mod process;
#[path = "figures/starting.rs"]
mod starting;
#[path = "figures/table.rs"]
mod table;

use steeple_tests_interop::{Product, with_peers};

/// Both, in the order in which each round measures them.
const PRODUCTS: [Product; 2] = [Product::Go, Product::Steeple];

/// The programs that all figures need.
const PROGRAMS: [&str; 3] = ["spire-server", "spire-agent", "steeple"];

#[test]
fn both_serve_what_is_measured() {
    with_peers(&PROGRAMS, issuing::rehearse);
}

#[test]
#[ignore = "depends on speed; see `cargo xtask bench --against-spire`"]
fn svids_cost_the_server_less_than_in_go() {
    with_peers(&PROGRAMS, issuing::measure);
}

#[test]
fn server_with_a_trail_serves_what_is_measured() {
    with_peers(&["steeple"], auditing::rehearse);
}

#[test]
#[ignore = "depends on speed; see `cargo xtask bench --against-spire`"]
fn trail_costs_the_server_little() {
    with_peers(&["steeple"], auditing::measure);
}

#[test]
#[ignore = "depends on speed; see `cargo xtask bench --against-spire`"]
fn fetching_costs_the_agent_less_than_in_go() {
    with_peers(&PROGRAMS, fetching::measure);
}

#[test]
#[ignore = "depends on speed; see `cargo xtask bench --against-spire`"]
fn idle_daemons_are_small() {
    with_peers(&PROGRAMS, idling::measure);
}

#[test]
#[ignore = "depends on speed; see `cargo xtask bench --against-spire`"]
fn program_is_small_and_starts_quickly() {
    with_peers(&PROGRAMS, starting::measure);
}
