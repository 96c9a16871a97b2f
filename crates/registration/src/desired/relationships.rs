//! Which object asks for federation with which trust domain, and who goes first.

use std::collections::BTreeMap;

use steeple_types::TrustDomain;

use super::{RuleProblem, Touched};
use crate::config::Class;
use crate::crd::ClusterFederatedTrustDomain;
use crate::object::{RuleKey, RuleKind};
use crate::relationship::{DesiredRelationship, RelationshipError, relationship};
use crate::rule::Rank;

#[derive(Debug)]
struct Wanted {
    rank: Rank,
    parsed: Result<DesiredRelationship, RelationshipError>,
}

#[derive(Debug, Default)]
pub(super) struct Relationships(BTreeMap<RuleKey, Wanted>);

impl Relationships {
    pub(super) fn apply(&mut self, object: &ClusterFederatedTrustDomain, class: &Class, touched: &mut Touched) {
        let key = RuleKey::of(RuleKind::ClusterFederatedTrustDomain, &object.metadata);
        self.remove(&key, touched);
        if !class.takes(&object.spec.class_name) {
            return;
        }
        let parsed = relationship(&object.spec);
        touched.trust_domains.extend(domain(&parsed));
        let rank = Rank::of(&object.metadata, false);
        self.0.insert(key.clone(), Wanted { rank, parsed });
        touched.rules.insert(key);
    }

    pub(super) fn remove(&mut self, key: &RuleKey, touched: &mut Touched) {
        if let Some(old) = self.0.remove(key) {
            touched.trust_domains.extend(domain(&old.parsed));
            touched.rules.insert(key.clone());
        }
    }

    pub(super) fn of(&self, trust_domain: &TrustDomain) -> Option<(&RuleKey, &DesiredRelationship)> {
        let wanted = self.0.iter().filter_map(|(key, wanted)| Some((key, &wanted.rank, wanted.parsed.as_ref().ok()?)));
        let fitting = wanted.filter(|(_, _, desired)| desired.relationship.trust_domain == *trust_domain);
        fitting.min_by_key(|(_, rank, _)| *rank).map(|(key, _, desired)| (key, desired))
    }

    pub(super) fn all(&self) -> Vec<(&RuleKey, &DesiredRelationship)> {
        let mut first: BTreeMap<&TrustDomain, (&Rank, &RuleKey, &DesiredRelationship)> = BTreeMap::new();
        for (key, wanted) in &self.0 {
            let Ok(desired) = &wanted.parsed else { continue };
            let best = first.entry(&desired.relationship.trust_domain).or_insert((&wanted.rank, key, desired));
            if wanted.rank < *best.0 {
                *best = (&wanted.rank, key, desired);
            }
        }
        first.into_values().map(|(_, key, desired)| (key, desired)).collect()
    }

    pub(super) fn problem(&self, key: &RuleKey) -> Option<RuleProblem> {
        match &self.0.get(key)?.parsed {
            Err(error) => Some(RuleProblem::Relationship(error.clone())),
            Ok(desired) => {
                let (first, _) = self.of(&desired.relationship.trust_domain)?;
                (first != key).then(|| RuleProblem::Masked(first.clone()))
            }
        }
    }
}

fn domain(parsed: &Result<DesiredRelationship, RelationshipError>) -> Option<TrustDomain> {
    parsed.as_ref().ok().map(|desired| desired.relationship.trust_domain.clone())
}
