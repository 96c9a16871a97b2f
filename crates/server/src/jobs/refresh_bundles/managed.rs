//! The relationships under way, and when each is due.

use std::collections::BTreeMap;
use std::time::Duration;

use steeple_runtime::Shutdown;
use steeple_types::{EndpointProfile, FederationRelationship, TrustDomain};
use tracing::{debug, info};

use super::SUBSYSTEM;
use crate::federation::Relationships;

/// The relationships that are seen to.
#[derive(Default)]
pub(super) struct Managed(BTreeMap<TrustDomain, One>);

struct One {
    relationship: FederationRelationship,
    /// When it is due; `None` as long as its endpoint is being asked.
    due: Option<Duration>,
    has_failed: bool,
    /// A bundle changed while its endpoint was being asked.
    ask_again: bool,
    /// Ends what is under way for it.
    stop: Shutdown,
}

/// A relationship whose endpoint is to be asked now.
pub(super) struct Due {
    pub(super) relationship: FederationRelationship,
    /// Triggered when the relationship goes or changes.
    pub(super) stop: Shutdown,
}

impl Due {
    pub(super) fn name(&self) -> &TrustDomain {
        &self.relationship.trust_domain
    }
}

impl Managed {
    pub(super) fn names(&self) -> impl Iterator<Item = &TrustDomain> {
        self.0.keys()
    }

    /// How many failed when they were last asked.
    pub(super) fn failing(&self) -> usize {
        self.0.values().filter(|one| one.has_failed).count()
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Duration> {
        self.0.values().filter_map(|one| one.due).min()
    }

    /// Sees to `relationships` from now on, and to no others; new and changed ones are due.
    pub(super) fn reconcile(&mut self, relationships: Relationships, now: Duration, shutdown: &Shutdown) {
        self.drop_all_but(&relationships);
        for (name, relationship) in relationships {
            let url = relationship.bundle_endpoint_url.as_str();
            let profile = profile_name(&relationship.profile);
            match self.0.get(&name) {
                Some(known) if known.relationship == relationship => continue,
                Some(known) => {
                    known.stop.trigger();
                    info!(
                        bundle_endpoint_profile = profile,
                        bundle_endpoint_url = url,
                        entry = %name,
                        subsystem_name = SUBSYSTEM,
                        "Updated configuration for managed trust domain"
                    );
                }
                None => info!(
                    bundle_endpoint_profile = profile,
                    bundle_endpoint_url = url,
                    trust_domain = %name,
                    subsystem_name = SUBSYSTEM,
                    "Trust domain is now managed"
                ),
            }
            let one = One { relationship, due: Some(now), has_failed: false, ask_again: false, stop: shutdown.child() };
            self.0.insert(name, one);
        }
    }

    fn drop_all_but(&mut self, relationships: &Relationships) {
        let stale: Vec<TrustDomain> = self.names().filter(|name| !relationships.contains_key(name)).cloned().collect();
        for name in &stale {
            info!(entry = %name, subsystem_name = SUBSYSTEM, "Trust domain no longer managed");
        }
        if stale.is_empty() {
            return;
        }
        debug!(subsystem_name = SUBSYSTEM, "Stopping stale updaters");
        for name in stale {
            if let Some(one) = self.0.remove(&name) {
                one.stop.trigger();
                info!(trust_domain = %name, subsystem_name = SUBSYSTEM, "No longer polling for updates");
            }
        }
        debug!(subsystem_name = SUBSYSTEM, "Done stopping stale updaters");
    }

    /// Takes those that are due: their endpoints are being asked from now on.
    pub(super) fn take_due(&mut self, now: Duration) -> Vec<Due> {
        let mut taken = Vec::new();
        for one in self.0.values_mut().filter(|one| one.due.is_some_and(|due| due <= now)) {
            one.due = None;
            taken.push(Due { relationship: one.relationship.clone(), stop: one.stop.clone() });
        }
        taken
    }

    /// The endpoint of a relationship has been asked; it is due again at `due`. Who was stopped meanwhile is left out.
    pub(super) fn put_back(&mut self, asked: &Due, due: Duration, has_failed: bool) {
        if asked.stop.is_triggered() {
            return;
        }
        if let Some(one) = self.0.get_mut(asked.name()) {
            let at_once = has_failed && std::mem::take(&mut one.ask_again);
            (one.due, one.has_failed) = (Some(if at_once { Duration::ZERO } else { due }), has_failed);
            one.ask_again = false;
        }
    }

    /// A bundle has changed: relationships that failed may have waited for it, and are due at once.
    pub(super) fn bundle_has_changed(&mut self, of: &TrustDomain, now: Duration) {
        for one in self.0.values_mut().filter(|one| is_verified_by(&one.relationship, of)) {
            match one.due {
                Some(_) if one.has_failed => one.due = Some(now),
                Some(_) => {}
                None => one.ask_again = true,
            }
        }
    }
}

/// Whether the endpoint is verified by the bundle of `trust_domain`.
fn is_verified_by(relationship: &FederationRelationship, trust_domain: &TrustDomain) -> bool {
    match &relationship.profile {
        EndpointProfile::HttpsWeb => false,
        EndpointProfile::HttpsSpiffe { endpoint_spiffe_id } => endpoint_spiffe_id.trust_domain() == *trust_domain,
    }
}

fn profile_name(profile: &EndpointProfile) -> &'static str {
    match profile {
        EndpointProfile::HttpsWeb => "https_web",
        EndpointProfile::HttpsSpiffe { .. } => "https_spiffe",
    }
}

#[cfg(test)]
mod tests {
    use steeple_types::SpiffeId;

    use super::*;

    fn domain(name: &str) -> TrustDomain {
        TrustDomain::from_name(name).unwrap()
    }

    fn relationship(name: &str, url: &str, endpoint: Option<&str>) -> FederationRelationship {
        let endpoint_id = |name: &str| SpiffeId::parse(&format!("spiffe://{name}/spire/server")).unwrap();
        let profile = endpoint.map_or(EndpointProfile::HttpsWeb, |endpoint| EndpointProfile::HttpsSpiffe {
            endpoint_spiffe_id: endpoint_id(endpoint),
        });
        FederationRelationship { trust_domain: domain(name), bundle_endpoint_url: url.to_owned(), profile }
    }

    fn of(relationships: &[FederationRelationship]) -> Relationships {
        relationships.iter().map(|one| (one.trust_domain.clone(), one.clone())).collect()
    }

    fn names(due: &[Due]) -> Vec<&str> {
        due.iter().map(|due| due.name().name()).collect()
    }

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn new_and_changed_relationships_are_due_and_those_that_go_are_stopped() {
        let (mut managed, shutdown) = (Managed::default(), Shutdown::new());
        let (a, b) = (relationship("a.test", "https://a", None), relationship("b.test", "https://b", None));
        managed.reconcile(of(&[a.clone(), b.clone()]), at(1), &shutdown);
        let first = managed.take_due(at(1));
        assert_eq!((names(&first), managed.next()), (vec!["a.test", "b.test"], None));

        managed.reconcile(of(&[a, relationship("b.test", "https://other", None)]), at(2), &shutdown);
        let [of_a, of_b] = <[Due; 2]>::try_from(first).ok().unwrap();
        assert_eq!((of_a.stop.is_triggered(), of_b.stop.is_triggered()), (false, true));
        let again = managed.take_due(at(2)).pop().unwrap();
        assert_eq!(again.relationship.bundle_endpoint_url, "https://other");

        managed.put_back(&of_b, at(3), false);
        assert_eq!(managed.next(), None, "the answer of the old endpoint says nothing of the new one");
        managed.put_back(&of_a, at(4), false);
        assert_eq!(managed.next(), Some(at(4)));
        managed.reconcile(Relationships::new(), at(3), &shutdown);
        assert!(again.stop.is_triggered());
        assert_eq!((managed.next(), managed.names().count()), (None, 0));
    }

    #[test]
    fn relationships_that_failed_are_due_when_the_bundle_comes_that_verifies_their_endpoint() {
        let (mut managed, shutdown) = (Managed::default(), Shutdown::new());
        let relationships = [
            relationship("a.test", "https://a", Some("a.test")),
            relationship("b.test", "https://b", Some("a.test")),
            relationship("c.test", "https://c", Some("c.test")),
            relationship("d.test", "https://d", None),
        ];
        managed.reconcile(of(&relationships), at(0), &shutdown);
        for due in managed.take_due(at(0)) {
            let has_failed = due.name().name() != "a.test";
            managed.put_back(&due, at(60), has_failed);
        }
        managed.bundle_has_changed(&domain("a.test"), at(1));
        let due = managed.take_due(at(1));
        assert_eq!(names(&due), ["b.test"]);
        managed.bundle_has_changed(&domain("a.test"), at(2));
        for due in due {
            managed.put_back(&due, at(61), true);
        }
        assert_eq!(names(&managed.take_due(at(2))), ["b.test"], "it may have failed for want of that bundle");
    }
}
