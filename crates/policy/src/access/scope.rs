//! Scopes: where a role counts.

mod covers;
mod dns;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use steeple_types::{Selector, TrustDomain};

use super::object::Object;
use super::path::{PathPrefix, values};

pub use dns::DnsPattern;

/// Marks of entries that must be allowed one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flag {
    /// `admin`.
    Admin,
    /// `downstream`.
    Downstream,
    /// `store_svid`.
    StoreSvid,
    /// The parent is the server, so that nodes get the identity by their selectors.
    Alias,
}

impl Flag {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Downstream, Self::StoreSvid, Self::Alias];

    /// The name in configuration, logs and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Downstream => "downstream",
            Self::StoreSvid => "store_svid",
            Self::Alias => "alias",
        }
    }

    /// The flag of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flag| flag.name() == name)
    }
}

/// A dimension of a scope, in the order in which they are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Dimension {
    TrustDomain,
    Path,
    Parents,
    SelectorTypes,
    Namespaces,
    X509SvidTtl,
    JwtSvidTtl,
    DnsNames,
    FederatesWith,
    Flags,
}

impl Dimension {
    /// The key in configuration, and the name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::TrustDomain => "trust_domain",
            Self::Path => "path",
            Self::Parents => "parents",
            Self::SelectorTypes => "selector_types",
            Self::Namespaces => "namespaces",
            Self::X509SvidTtl => "max_x509_svid_ttl",
            Self::JwtSvidTtl => "max_jwt_svid_ttl",
            Self::DnsNames => "dns_names",
            Self::FederatesWith => "federates_with",
            Self::Flags => "flags",
        }
    }
}

/// Where a role counts. A dimension that is `None` restricts nothing; flags are allowed only when they are named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The trust domain of IDs.
    pub trust_domain: Option<TrustDomain>,
    /// Prefixes of the paths of IDs.
    pub paths: Option<Vec<PathPrefix>>,
    /// Prefixes of the paths of parents.
    pub parents: Option<Vec<PathPrefix>>,
    /// Types that selectors may have.
    pub selector_types: Option<BTreeSet<String>>,
    /// Namespaces of Kubernetes, one of which a selector `k8s:ns` must name.
    pub namespaces: Option<BTreeSet<String>>,
    /// Longest lifetime of X.509-SVIDs.
    pub max_x509_svid_ttl: Option<Duration>,
    /// Longest lifetime of JWT-SVIDs.
    pub max_jwt_svid_ttl: Option<Duration>,
    /// DNS names.
    pub dns_names: Option<Vec<DnsPattern>>,
    /// Other trust domains: those whose bundles workloads get, and those whose bundles and relationships may be written.
    pub federates_with: Option<BTreeSet<TrustDomain>>,
    /// Flags that are allowed.
    pub flags: BTreeSet<Flag>,
}

/// Why an object lies outside a scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", .dimension.name())]
pub struct Outside {
    /// The first dimension that refuses.
    pub dimension: Dimension,
    /// What of the object does not fit, and what would.
    pub reason: String,
}

type Verdict = Result<(), Outside>;

impl Scope {
    /// Whether `object` lies in the scope.
    ///
    /// # Errors
    /// [`Outside`] with the first dimension that refuses.
    pub fn admits(&self, object: &Object<'_>) -> Verdict {
        self.trust_domain(object)?;
        self.path(object)?;
        self.parents(object)?;
        self.selector_types(object)?;
        self.namespaces(object)?;
        lifetime(Dimension::X509SvidTtl, self.max_x509_svid_ttl, object.x509_svid_ttl(), object)?;
        lifetime(Dimension::JwtSvidTtl, self.max_jwt_svid_ttl, object.jwt_svid_ttl(), object)?;
        self.dns_names(object)?;
        self.federates_with(object)?;
        self.flags(object)
    }

    fn trust_domain(&self, object: &Object<'_>) -> Verdict {
        match (&self.trust_domain, object.id()) {
            (Some(own), Some(id)) if !id.member_of(own) => {
                outside(Dimension::TrustDomain, format!("{id} is not of {own}"))
            }
            _ => Ok(()),
        }
    }

    fn path(&self, object: &Object<'_>) -> Verdict {
        let Some(paths) = &self.paths else { return Ok(()) };
        let Some(id) = object.id() else { return whole(Dimension::Path) };
        if paths.iter().any(|path| path.holds(id.path(), object.selectors())) {
            return Ok(());
        }
        outside(Dimension::Path, format!("{} lies not under {}", id.path(), list(paths)))
    }

    fn parents(&self, object: &Object<'_>) -> Verdict {
        let Some(parents) = &self.parents else { return Ok(()) };
        let Object::Entry(entry, _) = object else { return whole(Dimension::Parents) };
        let path = entry.parent_id.path();
        if parents.iter().any(|parent| parent.holds(path, None)) {
            return Ok(());
        }
        outside(Dimension::Parents, format!("parent {path} lies not under {}", list(parents)))
    }

    fn selector_types(&self, object: &Object<'_>) -> Verdict {
        let Some(types) = &self.selector_types else { return Ok(()) };
        let Some(selectors) = object.selectors().filter(|selectors| !selectors.is_empty()) else {
            return outside(Dimension::SelectorTypes, "there are no selectors".to_owned());
        };
        match selectors.iter().map(Selector::kind).find(|kind| !types.contains(*kind)) {
            Some(kind) => outside(Dimension::SelectorTypes, format!("type {kind:?} is not among {}", list(types))),
            None => Ok(()),
        }
    }

    fn namespaces(&self, object: &Object<'_>) -> Verdict {
        let Some(namespaces) = &self.namespaces else { return Ok(()) };
        let mut named = values(object.selectors(), "k8s", "ns").peekable();
        if named.peek().is_none() {
            return outside(Dimension::Namespaces, "no selector k8s:ns names a namespace".to_owned());
        }
        match named.find(|name| !namespaces.contains(*name)) {
            Some(name) => outside(Dimension::Namespaces, format!("{name:?} is not among {}", list(namespaces))),
            None => Ok(()),
        }
    }

    fn dns_names(&self, object: &Object<'_>) -> Verdict {
        let Some(patterns) = &self.dns_names else { return Ok(()) };
        match object.dns_names().iter().find(|name| !patterns.iter().any(|pattern| pattern.fits(name))) {
            Some(name) => outside(Dimension::DnsNames, format!("{name:?} fits none of {}", list(patterns))),
            None => Ok(()),
        }
    }

    fn federates_with(&self, object: &Object<'_>) -> Verdict {
        let Some(allowed) = &self.federates_with else { return Ok(()) };
        let refused = match object {
            Object::Entry(entry, _) => entry.federates_with.iter().find(|domain| !allowed.contains(*domain)),
            Object::Foreign(domain) => Some(*domain).filter(|domain| !allowed.contains(*domain)),
            Object::Whole => return whole(Dimension::FederatesWith),
            _ => None,
        };
        match refused {
            Some(domain) => outside(Dimension::FederatesWith, format!("{domain} is not among {}", list(allowed))),
            None => Ok(()),
        }
    }

    fn flags(&self, object: &Object<'_>) -> Verdict {
        let Object::Entry(entry, _) = object else { return Ok(()) };
        let set = [
            (Flag::Admin, entry.admin),
            (Flag::Downstream, entry.downstream),
            (Flag::StoreSvid, entry.store_svid),
            (Flag::Alias, entry.is_node_alias()),
        ];
        match set.into_iter().find(|(flag, is_set)| *is_set && !self.flags.contains(flag)) {
            Some((flag, _)) => outside(Dimension::Flags, format!("{} is not allowed", flag.name())),
            None => Ok(()),
        }
    }
}

fn lifetime(dimension: Dimension, longest: Option<Duration>, asked: Option<Duration>, object: &Object<'_>) -> Verdict {
    match (longest, asked) {
        (Some(_), None) if matches!(object, Object::Whole | Object::Foreign(_)) => whole(dimension),
        (Some(longest), Some(asked)) if asked > longest => {
            outside(dimension, format!("{} s are longer than {} s", asked.as_secs(), longest.as_secs()))
        }
        _ => Ok(()),
    }
}

fn outside(dimension: Dimension, reason: String) -> Verdict {
    Err(Outside { dimension, reason })
}

/// What has nothing that could fit.
fn whole(dimension: Dimension) -> Verdict {
    outside(dimension, "what is asked for is not within it: it belongs to a wider scope".to_owned())
}

fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { "nothing".to_owned() } else { items.join(", ") }
}

#[cfg(test)]
#[path = "scope/tests.rs"]
mod tests;
