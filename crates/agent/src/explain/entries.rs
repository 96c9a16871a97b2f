//! The entries that may be meant: those that the agent has, and those that its server tells of.

use std::collections::BTreeMap;

use steeple_explain::{
    AtAgent, Candidate, Distance, Kinds, MAX_CANDIDATES, Parentage, SvidState, Wanted, Workload, without_values,
};
use steeple_types::{EntryId, Selector};

use crate::core::Core;

/// The candidates, `told` by the server or not; values of selectors that `hides` says are left out.
pub(super) fn candidates(
    core: &Core,
    workload: &Workload,
    wanted: &Wanted,
    told: Vec<Candidate>,
    hides: impl Fn(&Selector) -> bool,
) -> Vec<Candidate> {
    let snapshot = core.cache.snapshot();
    let kept = core.cache.kept();
    let mut all: BTreeMap<EntryId, Candidate> = BTreeMap::new();
    for candidate in told {
        all.insert(candidate.entry.id.clone(), Candidate { at_agent: Some(AtAgent::Absent), ..candidate });
    }
    for (id, identity) in &snapshot.identities {
        let svid = match &identity.svid {
            Some(_) => SvidState::Held,
            None => SvidState::Missing { failure: core.cache.refusal(id), is_kept: kept.contains(id) },
        };
        let there = AtAgent::Present { revision_number: identity.entry.revision_number, svid };
        if let Some(candidate) = all.get_mut(id) {
            candidate.at_agent = Some(there);
        } else if wanted.includes(&identity.entry) || workload.selectors.is_superset(&identity.entry.selectors) {
            let candidate = Candidate {
                entry: (*identity.entry).clone(),
                is_whole: false,
                parentage: Some(Parentage::Own),
                removed: false,
                at_agent: Some(there),
            };
            all.insert(id.clone(), candidate);
        }
    }
    let mut candidates: Vec<Candidate> = all.into_values().collect();
    candidates.sort_by_cached_key(|one| Distance::of(&one.entry, &workload.selectors, &Kinds::default(), 0));
    candidates.truncate(2 * MAX_CANDIDATES);
    let redacted = |candidate: Candidate| {
        let (entry, is_redacted) = without_values(&candidate.entry, &hides);
        Candidate { entry, is_whole: candidate.is_whole && !is_redacted, ..candidate }
    };
    candidates.into_iter().map(redacted).collect()
}
