//! Whether one scope lies within another.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Dimension, Scope};
use crate::access::path::PathPrefix;

impl Scope {
    /// Whether all that lies in `other` lies in this scope too.
    pub fn covers(&self, other: &Self) -> bool {
        self.uncovered(other).is_none()
    }

    /// The first dimension in which `other` is wider.
    pub fn uncovered(&self, other: &Self) -> Option<Dimension> {
        let only = other.namespaces.as_ref().filter(|names| names.len() == 1);
        let only = only.and_then(BTreeSet::first).map(String::as_str);
        let dimensions = [
            (Dimension::TrustDomain, within(self.trust_domain.as_ref(), other.trust_domain.as_ref(), |a, b| a == b)),
            (Dimension::Path, within(self.paths.as_ref(), other.paths.as_ref(), |a, b| paths(a, b, only))),
            (Dimension::Parents, within(self.parents.as_ref(), other.parents.as_ref(), |a, b| paths(a, b, None))),
            (Dimension::SelectorTypes, sets(self.selector_types.as_ref(), other.selector_types.as_ref())),
            (Dimension::Namespaces, sets(self.namespaces.as_ref(), other.namespaces.as_ref())),
            (Dimension::X509SvidTtl, lifetimes(self.max_x509_svid_ttl, other.max_x509_svid_ttl)),
            (Dimension::JwtSvidTtl, lifetimes(self.max_jwt_svid_ttl, other.max_jwt_svid_ttl)),
            (
                Dimension::DnsNames,
                within(self.dns_names.as_ref(), other.dns_names.as_ref(), |own, others| {
                    others.iter().all(|pattern| own.iter().any(|own| own.covers(pattern)))
                }),
            ),
            (Dimension::FederatesWith, sets(self.federates_with.as_ref(), other.federates_with.as_ref())),
            (Dimension::Flags, self.flags.is_superset(&other.flags)),
        ];
        dimensions.into_iter().find(|(_, is_within)| !is_within).map(|(dimension, _)| dimension)
    }
}

/// What restricts nothing is wider than anything.
fn within<T>(own: Option<&T>, others: Option<&T>, fits: impl Fn(&T, &T) -> bool) -> bool {
    match (own, others) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(own), Some(others)) => fits(own, others),
    }
}

fn sets<T: Ord>(own: Option<&BTreeSet<T>>, others: Option<&BTreeSet<T>>) -> bool {
    within(own, others, BTreeSet::is_superset)
}

fn lifetimes(own: Option<Duration>, others: Option<Duration>) -> bool {
    within(own.as_ref(), others.as_ref(), |own, others| own >= others)
}

fn paths(own: &[PathPrefix], others: &[PathPrefix], only: Option<&str>) -> bool {
    others.iter().all(|path| own.iter().any(|own| own.covers(path, only)))
}
