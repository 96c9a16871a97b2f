//! What the repository owes to who comes anew: its texts, its lints, its checks.

use std::fs::read_to_string;

use crate::run;

fn text(path: &str) -> String {
    read_to_string(run::root().join(path)).unwrap_or_default()
}

#[test]
fn texts_that_newcomers_look_for_are_there() {
    for (path, says) in [
        ("README.md", "cargo run --release -- dev"),
        ("ARCHITECTURE.md", "crates/server/src/api"),
        ("CONTRIBUTING.md", "cargo xtask test"),
        ("SECURITY.md", "#"),
        ("LICENSE", "Apache License"),
        ("docs/adr/0001-sqlite-by-rusqlite.md", "rusqlite"),
        ("docs/adr/0002-platforms.md", "Windows"),
        ("justfile", "cargo xtask peers"),
        ("rust-toolchain.toml", "clippy"),
    ] {
        assert!(text(path).contains(says), "{path} does not say {says:?}");
    }
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let metadata = run::output(run::cargo().args(["metadata", "--format-version=1", "--no-deps"])).unwrap();
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(!packages.is_empty());
    // Generated code keeps to no lints of ours.
    for package in packages.iter().filter(|package| package["name"] != "steeple-proto") {
        let manifest = read_to_string(package["manifest_path"].as_str().unwrap()).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{} has lints of its own", package["name"]);
    }
}

#[test]
fn lints_ban_panics_and_what_tests_cannot_steer() {
    let workspace = text("Cargo.toml");
    for lint in ["unwrap_used", "expect_used", "panic", "indexing_slicing", "disallowed_methods", "pedantic"] {
        assert!(workspace.contains(&format!("\n{lint} = ")), "{lint} is not among the lints of the workspace");
    }
    for banned in ["SystemTime::now", "Instant::now", "tokio::spawn"] {
        assert!(text("clippy.toml").contains(banned), "clippy.toml lets {banned} through");
    }
    assert!(text("deny.toml").contains("[licenses]") && text("deny.toml").contains("[bans]"));
}

#[test]
fn the_gate_runs_every_check() {
    let gate = text(".ci/run");
    for check in [
        "cargo fmt --all --check",
        "cargo xtask layers",
        "-- -D warnings",
        "peers install",
        "cargo xtask test --require-peers",
        "cargo xtask docs",
        "cargo xtask compat",
        "check licenses bans sources",
        "cargo xtask arm64",
        "cargo xtask fuzz --seconds 5",
    ] {
        assert!(gate.contains(check), ".ci/run leaves out {check}");
    }
}
