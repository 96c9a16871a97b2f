//! Entries written out.

use steeple_types::{IdError, Selector, SelectorError, SelectorSet, SpiffeId};

use crate::crd::ClusterStaticEntrySpec;
use crate::entry::{DesiredEntry, EntryKey};
use crate::rule::{RuleError, seconds, trust_domains};

/// Why a ClusterStaticEntry makes no entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StaticEntryError {
    /// An ID is none.
    #[error("failed to parse {key}: {value:?}: {reason}")]
    Id {
        /// `SPIFFEID` or `ParentID`.
        key: &'static str,
        /// What the object says.
        value: String,
        /// The rule that it breaks.
        reason: IdError,
    },
    /// A selector is none.
    #[error("failed to parse Selectors: {value:?}: {reason}")]
    Selector {
        /// What the object says.
        value: String,
        /// The rule that it breaks.
        reason: SelectorError,
    },
    /// A lifetime or a trust domain is none.
    #[error(transparent)]
    Other(#[from] RuleError),
}

/// The entry that a ClusterStaticEntry is.
///
/// # Errors
/// [`StaticEntryError`] names what of the object can't be used.
pub fn static_entry(spec: &ClusterStaticEntrySpec) -> Result<DesiredEntry, StaticEntryError> {
    let id = |key: &'static str, value: &str| {
        SpiffeId::parse(value).map_err(|reason| StaticEntryError::Id { key, value: value.to_owned(), reason })
    };
    let selector = |value: &String| {
        value.parse::<Selector>().map_err(|reason| StaticEntryError::Selector { value: value.clone(), reason })
    };
    let selectors: SelectorSet = spec.selectors.iter().map(selector).collect::<Result<_, _>>()?;
    Ok(DesiredEntry {
        key: EntryKey {
            spiffe_id: id("SPIFFEID", &spec.spiffe_id)?,
            parent_id: id("ParentID", &spec.parent_id)?,
            selectors,
        },
        x509_svid_ttl: seconds("x509SVIDTTL", &spec.x509_svid_ttl)?,
        jwt_svid_ttl: seconds("jwtSVIDTTL", &spec.jwt_svid_ttl)?,
        federates_with: trust_domains(&spec.federates_with)?,
        dns_names: spec.dns_names.clone(),
        admin: spec.admin,
        downstream: spec.downstream,
        hint: spec.hint.clone(),
        store_svid: spec.store_svid,
    })
}
