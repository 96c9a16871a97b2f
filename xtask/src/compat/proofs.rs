//! The list of proofs: under the title of a table `PATTERN = PROOF`, the first that fits counts; `*` stands for any letters.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

use super::{Known, Row, Section};
use crate::ran::{Ran, named};

/// A line of the list.
#[derive(Debug)]
pub(super) struct Proof<'a> {
    section: &'a str,
    pattern: &'a str,
    text: &'a str,
}

/// A row with its proof.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proven {
    pub(super) section: String,
    pub(super) name: String,
    pub(super) proof: String,
}

/// Reads the list.
///
/// # Errors
/// When a line is neither a comment, a title in brackets nor a proof.
pub(super) fn read(text: &str) -> Result<Vec<Proof<'_>>> {
    let mut section = "";
    let mut proofs = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(title) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = title;
            continue;
        }
        let (pattern, proof) = line.split_once(" = ").with_context(|| format!("no ` = ` in {line:?}"))?;
        ensure!(!section.is_empty(), "{line:?} stands under no title");
        match kind(proof) {
            Kind::Test if named(proof).is_empty() => bail!("{line:?} names neither a test, `later: ` nor `differs: `"),
            _ => proofs.push(Proof { section, pattern, text: proof }),
        }
    }
    Ok(proofs)
}

/// What a proof is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Tests.
    Test,
    /// A feature that it comes with.
    Later,
    /// A reason.
    Differs,
}

/// The kind of a proof.
pub(super) fn kind(proof: &str) -> Kind {
    if proof.starts_with("later: ") {
        Kind::Later
    } else if proof.starts_with("differs: ") {
        Kind::Differs
    } else {
        Kind::Test
    }
}

/// Finds the proof of each row; yields the rows that have one, and what is wrong.
pub(super) fn join(sections: &[Section], proofs: &[Proof<'_>]) -> (Vec<Proven>, Vec<String>) {
    let mut used = vec![false; proofs.len()];
    let (mut proven, mut faults) = (Vec::new(), Vec::new());
    for (section, row) in sections.iter().flat_map(|section| section.rows.iter().map(move |row| (section, row))) {
        let proof = match &row.known {
            Known::Settled(proof) => Ok(proof.clone()),
            _ => proof_of(&section.title, row, proofs, &mut used),
        };
        match proof {
            Ok(proof) => proven.push(Proven { section: section.title.clone(), name: row.name.clone(), proof }),
            Err(fault) => faults.push(format!("{}: {}: {fault}", section.title, row.name)),
        }
    }
    let unused = proofs.iter().zip(used).filter(|(_, used)| !used);
    faults.extend(unused.map(|(proof, _)| format!("{}: {} proves no row", proof.section, proof.pattern)));
    (proven, faults)
}

fn proof_of(section: &str, row: &Row, proofs: &[Proof<'_>], used: &mut [bool]) -> Result<String, String> {
    let found = proofs.iter().zip(used).find(|(proof, _)| proof.section == section && fits(proof.pattern, &row.name));
    let Some((found, used)) = found else { return Err("no proof".to_owned()) };
    *used = true;
    match (&row.known, kind(found.text)) {
        (Known::Here, Kind::Later) => Err(format!("it is there, the proof says {:?}", found.text)),
        (Known::Absent, Kind::Test) => Err(format!("it is not there, the proof says {:?}", found.text)),
        _ => Ok(found.text.to_owned()),
    }
}

/// Whether a name fits a pattern.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((begin, rest)) => name.strip_prefix(begin).is_some_and(|tail| {
            tail.char_indices()
                .map(|(at, _)| at)
                .chain([tail.len()])
                .any(|at| fits(rest, tail.get(at..).unwrap_or_default()))
        }),
    }
}

/// The tests of proofs that did not run, each once.
pub(super) fn not_run(rows: &[Proven], ran: &Ran) -> Vec<String> {
    let mut absent: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in rows.iter().filter(|row| kind(&row.proof) == Kind::Test) {
        for test in named(&row.proof).into_iter().filter(|test| ran.lacks(test)) {
            absent.entry(test).or_default().push(&row.name);
        }
    }
    let told = absent.into_iter().map(|(test, rows)| {
        let first = rows.first().copied().unwrap_or_default();
        format!("{test} did not run, which proves {} rows, {first:?} the first", rows.len())
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(rows: &[(&str, Known)], list: &str) -> (Vec<String>, Vec<String>) {
        let rows = rows.iter().map(|(name, known)| Row { name: (*name).to_owned(), known: known.clone() }).collect();
        let (proven, faults) = join(&[Section { title: "A".into(), rows }], &read(list).unwrap());
        (proven.into_iter().map(|row| format!("{} {}", row.name, row.proof)).collect(), faults)
    }

    #[test]
    fn first_pattern_that_fits_counts() {
        let (proven, faults) =
            joined(&[("ab", Known::Here), ("b", Known::Nothing)], "[A]\na* = `t`\n* = differs: so\n");
        assert_eq!(
            (proven.as_slice(), faults.as_slice()),
            (&["ab `t`".to_owned(), "b differs: so".to_owned()][..], &[][..])
        );
    }

    #[test]
    fn rows_without_a_proof_and_patterns_without_a_row_are_faults() {
        assert_eq!(joined(&[("a", Known::Here)], "[A]\nb = `t`\n").1, ["A: a: no proof", "A: b proves no row"]);
        assert_eq!(joined(&[("a", Known::Here)], "[B]\na = `t`\n").1.len(), 2);
    }

    #[test]
    fn proofs_that_the_code_contradicts_are_faults() {
        assert_eq!(joined(&[("a", Known::Here)], "[A]\na = later: x\n").1.len(), 1);
        assert_eq!(joined(&[("a", Known::Absent)], "[A]\na = `t`\n").1.len(), 1);
        assert_eq!(joined(&[("a", Known::Absent)], "[A]\na = later: x\n").1.len(), 0);
        assert_eq!(joined(&[("a", Known::Settled("later: x".into()))], "[A]\na = `t`\n").1, ["A: a proves no row"]);
    }

    #[test]
    fn proofs_are_tests_later_features_or_reasons() {
        assert!(read("[A]\na = `t`, `u`\nb = later: x\nc = differs: y").is_ok());
        assert!(read("[A]\na = nothing").is_err() && read("a = `t`").is_err() && read("[A]\na").is_err());
    }

    #[test]
    fn stars_stand_for_any_letters() {
        assert!(
            fits("a*c", "abc") && fits("a*c", "ac") && fits("*", "") && fits("*b*", "abc") && fits("a*b*c", "a b b c")
        );
        assert!(!fits("a*c", "ab") && !fits("a", "ab") && !fits("*b", "abc"));
    }

    #[test]
    fn tests_that_did_not_run_are_named() {
        let row = |proof: &str| Proven { section: "A".into(), name: "a".into(), proof: proof.into() };
        let rows = [row("`t`, `u`"), row("differs: `v`"), row("`u`")];
        assert_eq!(not_run(&rows, &Ran::of("x::t", "")), ["u did not run, which proves 2 rows, \"a\" the first"]);
    }
}
