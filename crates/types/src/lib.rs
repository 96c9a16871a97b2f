//! The vocabulary of SPIFFE: IDs, trust domains, selectors, entries, nodes, bundles, pods.
//!
//! Every value is valid once built. Nothing here does I/O or knows of async.

mod bundle;
mod entry;
mod federation;
mod id;
mod node;
mod pod;
mod revision;
mod selector;
mod trust_domain;

pub use bundle::{Bundle, JwtAuthority, X509Authority};
pub use entry::{Entry, EntryError, EntryId};
pub use federation::{EndpointProfile, FederationRelationship};
pub use id::{IdError, SpiffeId};
pub use node::AttestedNode;
pub use pod::{PodUid, PodUidError};
pub use revision::Revision;
pub use selector::{Selector, SelectorError, SelectorSet};
pub use trust_domain::TrustDomain;
