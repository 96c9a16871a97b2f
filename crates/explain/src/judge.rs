//! The judgement: what is in the way, the cause first.

mod agent;
mod call;
mod entries;
mod selectors;

use steeple_types::SelectorSet;

use crate::{Facts, Finding, Kinds};

/// What is in the way of an identity, or which identity there is: the cause first, then what else is to be said.
pub fn explain(facts: &Facts) -> Vec<Finding> {
    let mut judgement = Judgement { facts, kinds: kinds(facts), findings: Vec::new() };
    agent::judge(&mut judgement);
    let fits = entries::judge(&mut judgement);
    call::judge(&mut judgement, &fits);
    let mut findings = judgement.findings;
    findings.sort_by_key(|(rank, _)| *rank);
    findings.into_iter().map(|(_, finding)| finding).collect()
}

/// What comes before what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// The agent can do nothing for anybody.
    Agent,
    /// Nothing is known of the workload.
    Attestation,
    /// The call itself was wrong.
    Call,
    /// There is an identity.
    Issued,
    /// The agent may not know what the server does.
    Sync,
    /// An entry, in order of its distance.
    Candidate,
    /// Entries that are not told of.
    Elsewhere,
    /// There is nothing near.
    Nothing,
    /// Worth knowing.
    Aside,
}

struct Judgement<'a> {
    facts: &'a Facts,
    kinds: Kinds,
    findings: Vec<(Rank, Finding)>,
}

impl Judgement<'_> {
    fn find(&mut self, rank: Rank, finding: Finding) {
        self.findings.push((rank, finding));
    }

    fn has(&self) -> &SelectorSet {
        &self.facts.workload.selectors
    }
}

fn kinds(facts: &Facts) -> Kinds {
    let attestors = &facts.workload.attestors;
    let failed = attestors.iter().filter(|attested| attested.outcome.is_err());
    let configured = attestors.iter().map(|attested| attested.name.clone()).collect();
    Kinds {
        failed: failed.map(|attested| attested.name.clone()).collect(),
        configured: (!attestors.is_empty()).then_some(configured),
    }
}

#[cfg(test)]
mod tests;
