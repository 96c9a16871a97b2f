//! `cargo xtask compat`: a page with a row for each thing that SPIRE has, and the test that proves that steeple has it.
//!
//! The rows come from code and from records of SPIRE, the proofs from `xtask/src/compat/proofs.txt`.

mod commands;
mod keys;
mod later;
mod logs;
mod metrics;
mod page;
mod proofs;
mod rpcs;
mod source;

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::ran::Ran;
use crate::run;

/// Where the page stands.
const PAGE: &str = "docs/reference/spire-compatibility.md";

/// Where the proofs stand.
const PROOFS: &str = "xtask/src/compat/proofs.txt";

/// What code and records say of a row, which its proof must agree with.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Known {
    /// All is said: the row needs no proof of the list.
    Settled(String),
    /// It is there: no proof may say that it comes later.
    Here,
    /// It is not there: the proof must say that it comes later, or give a reason.
    Absent,
    /// Neither says.
    Nothing,
}

/// A row of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    name: String,
    known: Known,
}

/// A table of the page.
#[derive(Clone, Debug)]
struct Section {
    title: String,
    rows: Vec<Row>,
}

/// Reads the rows of a table for a side, `server` or `agent`, in a repository.
type Reader = fn(&Path, &str) -> Result<Vec<Row>>;

/// Checks the page, or with `--write` writes it.
///
/// # Errors
/// When a row has no proof or one that contradicts the code, a pattern proves nothing, a test did not run, or the page is out
/// of date.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let write = match arguments {
        [] => false,
        [flag] if flag == "--write" => true,
        _ => bail!("usage: cargo xtask compat [--write]"),
    };
    let root = run::root();
    let text = source::read(&root, PROOFS)?;
    let proofs = proofs::read(&text)?;
    let (rows, mut faults) = proofs::join(&sections(&root)?, &proofs);
    if write && faults.is_empty() {
        std::fs::write(root.join(PAGE), page::text(&rows)).with_context(|| PAGE.to_owned())?;
        println!("compat: {PAGE} is written");
        return Ok(());
    }
    if let Some(ran) = Ran::noted("compat")? {
        faults.extend(proofs::not_run(&rows, &ran));
    }
    let stands = std::fs::read_to_string(root.join(PAGE)).unwrap_or_default();
    if stands != page::text(&rows) {
        faults.push(format!("{PAGE} is out of date: run `cargo xtask compat --write`"));
    }
    if !faults.is_empty() {
        bail!("compat:\n  {}", faults.join("\n  "));
    }
    println!("compat: {}", page::counts(&rows));
    Ok(())
}

fn sections(root: &Path) -> Result<Vec<Section>> {
    let mut sections = Vec::new();
    let readers: [(&str, Reader); 6] = [
        ("RPCs", rpcs::rows),
        ("Commands", commands::rows),
        ("Keys", keys::rows),
        ("Metrics", metrics::rows),
        ("Log lines", logs::rows),
        ("Texts that SPIRE's suites look for in the log", logs::looked_for),
    ];
    for (what, read) in readers {
        for side in ["server", "agent"] {
            let title = format!("{what} of the {side}");
            let rows = read(root, side).with_context(|| title.clone())?;
            sections.push(Section { title, rows });
        }
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_proof_that_agrees_with_the_code() {
        let root = run::root();
        let text = source::read(&root, PROOFS).unwrap();
        let (rows, faults) = proofs::join(&sections(&root).unwrap(), &proofs::read(&text).unwrap());
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        let stands = source::read(&root, PAGE).unwrap();
        assert_eq!(stands, page::text(&rows), "run `cargo xtask compat --write`");
    }
}
