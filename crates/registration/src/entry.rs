//! Entries that are asked for.

use std::collections::BTreeSet;

use steeple_types::{Entry, SelectorSet, SpiffeId, TrustDomain};

/// What makes two entries the same one: SPIFFE ID, parent and selectors, which SPIRE calls similar entries.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryKey {
    /// The identity given.
    pub spiffe_id: SpiffeId,
    /// Under which it is given.
    pub parent_id: SpiffeId,
    /// Selectors, all of which the workload must have.
    pub selectors: SelectorSet,
}

impl EntryKey {
    /// The key of an entry that a server has.
    pub fn of(entry: &Entry) -> Self {
        Self {
            spiffe_id: entry.spiffe_id.clone(),
            parent_id: entry.parent_id.clone(),
            selectors: entry.selectors.clone(),
        }
    }
}

/// An entry that an object asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredEntry {
    /// Who it is, under which parent, by which selectors.
    pub key: EntryKey,
    /// Lifetime of X.509-SVIDs in seconds; 0 means the server's default.
    pub x509_svid_ttl: u32,
    /// Lifetime of JWT-SVIDs in seconds; 0 means the server's default.
    pub jwt_svid_ttl: u32,
    /// Trust domains whose bundles the workload gets besides its own.
    pub federates_with: Vec<TrustDomain>,
    /// DNS names of the X.509-SVID, in order.
    pub dns_names: Vec<String>,
    /// Whether the identity may administer the server.
    pub admin: bool,
    /// Whether the identity may ask for an intermediate CA.
    pub downstream: bool,
    /// What the workload may tell its SVIDs apart by.
    pub hint: String,
    /// Whether SVIDs go to an SVID store rather than to the Workload API.
    pub store_svid: bool,
}

impl DesiredEntry {
    /// The fields, by their names in spire-controller-manager, in which the server's entry differs and is to be updated.
    /// The order of DNS names and trust domains does not count.
    pub fn outdated_fields(&self, current: &Entry) -> Vec<&'static str> {
        let sorted = |names: &[String]| names.iter().cloned().collect::<BTreeSet<String>>();
        let domains = |names: &[TrustDomain]| names.iter().cloned().collect::<BTreeSet<TrustDomain>>();
        let fields = [
            ("x509SVIDTTL", self.x509_svid_ttl == current.x509_svid_ttl),
            ("jwtSVIDTTL", self.jwt_svid_ttl == current.jwt_svid_ttl),
            ("federatesWith", domains(&self.federates_with) == domains(&current.federates_with)),
            ("admin", self.admin == current.admin),
            ("downstream", self.downstream == current.downstream),
            ("dnsNames", sorted(&self.dns_names) == sorted(&current.dns_names)),
            ("hint", self.hint == current.hint),
            ("storeSVID", self.store_svid == current.store_svid),
        ];
        fields.into_iter().filter_map(|(name, same)| (!same).then_some(name)).collect()
    }
}
