//! What an entry wants and the workload is not.

use steeple_types::Selector;

use super::Judgement;
use super::agent::way_out;
use crate::nearest::key;
use crate::{Candidate, Cause, Finding, Missing, fix, known, missing};

/// What is wrong with the selectors of `candidate`, if anything is.
pub(super) fn judge(judgement: &Judgement<'_>, candidate: &Candidate, name: &str) -> Option<Finding> {
    let missing = missing(&candidate.entry.selectors, judgement.has());
    let lacks: Vec<(Cause, &Missing)> = missing.iter().map(|one| (cause(judgement, one), one)).collect();
    // What can't be said at all comes before what is said otherwise.
    let order = [
        Cause::AttestorFailed,
        Cause::NodeSelector,
        Cause::UnknownSelector,
        Cause::AttestorNotConfigured,
        Cause::AttestorOption,
        Cause::MissingSelector,
    ];
    let (cause, first) = order.iter().find_map(|cause| lacks.iter().find(|(found, _)| found == cause))?;
    let wants: Vec<String> = missing.iter().map(|one| one.wanted.to_string()).collect();
    let wants = format!("{name} wants {}", wants.join(" and "));
    let (kind, wanted) = (first.wanted.kind(), &first.wanted);
    let (because, fix) = match cause {
        Cause::AttestorFailed => {
            let said = judgement.facts.workload.attestors.iter().find(|attested| attested.name == kind);
            let said = said.and_then(|attested| attested.outcome.as_ref().err()).map_or("", String::as_str);
            (format!("and the attestor {kind} failed: {said}"), way_out(kind))
        }
        Cause::NodeSelector => (
            format!("and {kind} is said of nodes, never of workloads"),
            format!(
                "give the node an alias (entry create -node -selector {wanted}), make the alias the entry's parent, and select the \
                 workload by what it is"
            ),
        ),
        Cause::UnknownSelector => unknown(candidate, wanted),
        Cause::AttestorNotConfigured => (
            format!("and the agent has no workload attestor {kind}"),
            format!("add WorkloadAttestor \"{kind}\" {{ plugin_data {{}} }} to the agent's plugins and start it again"),
        ),
        Cause::AttestorOption => {
            let option = known::option(wanted).unwrap_or_default();
            (
                format!("and the attestor {kind} does not tell {}", key(wanted)),
                format!("set {option} in plugin_data of WorkloadAttestor \"{kind}\" and start the agent again"),
            )
        }
        _ => absent(candidate, &missing),
    };
    Some(Finding::new(*cause, format!("{wants}, {because}"), fix))
}

fn cause(judgement: &Judgement<'_>, missing: &Missing) -> Cause {
    let kind = missing.wanted.kind();
    if judgement.kinds.failed.contains(kind) {
        Cause::AttestorFailed
    } else if known::is_of_nodes(kind) {
        Cause::NodeSelector
    } else if known::meant(&missing.wanted).is_some() {
        Cause::UnknownSelector
    } else if judgement.kinds.is_not_configured(kind) {
        Cause::AttestorNotConfigured
    } else if missing.nearest.is_none() && known::option(&missing.wanted).is_some() {
        Cause::AttestorOption
    } else {
        Cause::MissingSelector
    }
}

/// A selector that nobody ever says.
fn unknown(candidate: &Candidate, wanted: &Selector) -> (String, String) {
    let said = key(wanted);
    let key = known::meant(wanted).unwrap_or_default();
    let rest = wanted.value().get(said.len()..).unwrap_or_default();
    let because = format!("and the attestor {} has no {said}: it is {key}", wanted.kind());
    let meant = Selector::new(wanted.kind(), format!("{key}{rest}")).ok();
    (because, exchange(candidate, &[(wanted.clone(), meant)]))
}

/// Selectors that are said of others, or otherwise of this workload.
fn absent(candidate: &Candidate, missing: &[Missing]) -> (String, String) {
    let has: Vec<String> = missing.iter().filter_map(|one| one.nearest.as_ref()).map(ToString::to_string).collect();
    let because = match (has.as_slice(), missing) {
        ([], [one, ..]) => match known::silence(&one.wanted) {
            Some(reason) => format!("and the workload has none: {reason}"),
            None => format!("and the workload has nothing of {}", one.wanted.kind()),
        },
        _ => format!("and the workload has {}", has.join(" and ")),
    };
    let changes: Vec<_> = missing.iter().map(|one| (one.wanted.clone(), one.nearest.clone())).collect();
    (because, exchange(candidate, &changes))
}

/// How the entry is changed.
fn exchange(candidate: &Candidate, changes: &[(Selector, Option<Selector>)]) -> String {
    let changed = fix::exchanged(&candidate.entry, changes);
    // An entry that selects anything would be no fix.
    if candidate.is_whole && !changed.selectors.is_empty() {
        return fix::update(&changed);
    }
    let id = &candidate.entry.id;
    let sentences = changes.iter().map(|(old, new)| match new {
        Some(new) => format!("give entry {id} the selector {new} in place of {old}"),
        None => format!("have the workload be {old}, or take that selector from entry {id}"),
    });
    sentences.collect::<Vec<_>>().join("; ")
}
