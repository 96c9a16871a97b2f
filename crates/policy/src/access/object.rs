//! What a decision is about.

use std::time::Duration;

use steeple_types::{Entry, SelectorSet, SpiffeId, TrustDomain};

/// Lifetimes of SVIDs whose entry does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Of X.509-SVIDs.
    pub x509_svid: Duration,
    /// Of JWT-SVIDs.
    pub jwt_svid: Duration,
}

/// An object as it is, or as it would be.
#[derive(Clone, Copy, Debug)]
pub enum Object<'a> {
    /// What belongs to the trust domain as a whole.
    Whole,
    /// An entry.
    Entry(&'a Entry, Lifetimes),
    /// An agent, with its selectors if it has attested.
    Agent(&'a SpiffeId, Option<&'a SelectorSet>),
    /// An X.509-SVID that is to be minted.
    X509Svid {
        /// Its SPIFFE ID.
        id: &'a SpiffeId,
        /// Its lifetime.
        ttl: Duration,
        /// Its DNS names.
        dns_names: &'a [String],
    },
    /// A JWT-SVID that is to be minted.
    JwtSvid {
        /// Its SPIFFE ID.
        id: &'a SpiffeId,
        /// Its lifetime.
        ttl: Duration,
    },
    /// What is of another trust domain: its bundle, or the relationship with it.
    Foreign(&'a TrustDomain),
}

impl<'a> Object<'a> {
    /// The SPIFFE ID that is given or named.
    pub fn id(&self) -> Option<&'a SpiffeId> {
        match self {
            Self::Entry(entry, _) => Some(&entry.spiffe_id),
            Self::Agent(id, _) | Self::X509Svid { id, .. } | Self::JwtSvid { id, .. } => Some(id),
            Self::Whole | Self::Foreign(_) => None,
        }
    }

    /// The selectors, if it has any.
    pub fn selectors(&self) -> Option<&'a SelectorSet> {
        match self {
            Self::Entry(entry, _) => Some(&entry.selectors),
            Self::Agent(_, selectors) => *selectors,
            _ => None,
        }
    }

    /// The lifetime of its X.509-SVIDs, if it brings any.
    pub fn x509_svid_ttl(&self) -> Option<Duration> {
        match self {
            Self::Entry(entry, defaults) => Some(effective(entry.x509_svid_ttl, defaults.x509_svid)),
            Self::X509Svid { ttl, .. } => Some(*ttl),
            _ => None,
        }
    }

    /// The lifetime of its JWT-SVIDs, if it brings any.
    pub fn jwt_svid_ttl(&self) -> Option<Duration> {
        match self {
            Self::Entry(entry, defaults) => Some(effective(entry.jwt_svid_ttl, defaults.jwt_svid)),
            Self::JwtSvid { ttl, .. } => Some(*ttl),
            _ => None,
        }
    }

    /// Its DNS names.
    pub fn dns_names(&self) -> &'a [String] {
        match self {
            Self::Entry(entry, _) => &entry.dns_names,
            Self::X509Svid { dns_names, .. } => dns_names,
            _ => &[],
        }
    }
}

/// 0 is the default.
fn effective(seconds: u32, default: Duration) -> Duration {
    if seconds == 0 { default } else { Duration::from_secs(seconds.into()) }
}
