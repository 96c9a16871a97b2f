//! The project's own commands, run as `cargo xtask COMMAND`.

mod arm64;
mod bench;
mod cluster;
mod compat;
mod docs;
mod fuzz;
#[cfg(test)]
mod habits;
mod image;
mod layers;
mod manifests;
mod peers;
#[cfg(test)]
mod permissions;
mod ran;
mod report;
mod run;
mod scope;
mod soak;
mod test;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
usage: cargo xtask COMMAND
  layers                     a crate depends only on crates of a lower layer
  arm64                      the program compiles for 64-bit ARM
  docs                       paths and tests named in the documents exist; rustdoc is clean
  compat [--write]           each row of what SPIRE has names a test that ran, a later feature or a reason; --write writes the page
  test [--require-peers]     all tests; a missing peer is listed, or with the flag fails
  peers [install [NAME…]]    lists the programs that tests talk to, or installs them
  cluster COMMAND            a Kubernetes cluster to develop and test on
  image [--dev]              container images in target/images, without Docker; --dev compiles less hard
  manifests [--check]        writes what of deploy/ comes from the code, and the manifests from the chart
  fuzz [--seconds N] [NAME…] replays the corpora and fuzzes each target (5 s)
  soak [--seconds N]         the long drills: fuzzes each target (60 s), kills fifty times, measures
  bench --against-spire      measures steeple beside Go SPIRE in the same run
  bench --on-cluster         measures the first calls of fifty pods that start at once, at either kind of socket";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    let Some((command, rest)) = arguments.split_first() else {
        bail!("{USAGE}");
    };
    match command.as_str() {
        "layers" => layers::check(),
        "arm64" => arm64::check(),
        "docs" => docs::check(),
        "compat" => compat::run(rest),
        "test" => test::run(rest),
        "peers" => peers::run(rest),
        "cluster" => cluster::run(rest),
        "image" => image::run(rest),
        "manifests" => manifests::run(rest),
        "fuzz" => fuzz::run(rest),
        "soak" => soak::run(rest),
        "bench" => bench::run(rest),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        unknown => bail!("unknown command {unknown:?}\n{USAGE}"),
    }
}
