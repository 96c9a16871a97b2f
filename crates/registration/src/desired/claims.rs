//! Who asks for which entry, and who goes first.

use std::collections::HashMap;
use std::sync::Arc;

use crate::entry::{DesiredEntry, EntryKey};
use crate::object::{PodKey, RuleKey};
use crate::rule::Rank;

/// An entry that is asked for, by the object that goes first.
#[derive(Clone, Copy, Debug)]
pub struct Claimed<'a> {
    /// The entry.
    pub entry: &'a Arc<DesiredEntry>,
    /// The object that asks for it.
    pub by: &'a RuleKey,
    /// The pod that it is for.
    pub pod: Option<&'a PodKey>,
}

#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) rank: Rank,
    pub(super) by: RuleKey,
    pub(super) pod: Option<PodKey>,
    pub(super) entry: Arc<DesiredEntry>,
}

/// By the entry's key, the one that goes first at the front.
#[derive(Debug, Default)]
pub(super) struct Claims(HashMap<EntryKey, Vec<Claim>>);

impl Claims {
    pub(super) fn winner(&self, key: &EntryKey) -> Option<Claimed<'_>> {
        self.0.get(key)?.first().map(claimed)
    }

    pub(super) fn winners(&self) -> impl Iterator<Item = Claimed<'_>> {
        self.0.values().filter_map(|claims| claims.first()).map(claimed)
    }

    /// Who asks for the entry, the first going first.
    pub(super) fn claimants(&self, key: &EntryKey) -> Vec<RuleKey> {
        self.0.get(key).into_iter().flatten().map(|claim| claim.by.clone()).collect()
    }

    pub(super) fn insert(&mut self, claim: Claim) {
        let claims = self.0.entry(claim.entry.key.clone()).or_default();
        let at = claims.partition_point(|known| (&known.rank, &known.by) <= (&claim.rank, &claim.by));
        claims.insert(at, claim);
    }

    pub(super) fn remove(&mut self, key: &EntryKey, by: &RuleKey) {
        if let Some(claims) = self.0.get_mut(key) {
            claims.retain(|claim| claim.by != *by);
            if claims.is_empty() {
                self.0.remove(key);
            }
        }
    }
}

fn claimed(claim: &Claim) -> Claimed<'_> {
    Claimed { entry: &claim.entry, by: &claim.by, pod: claim.pod.as_ref() }
}
