//! Which registration entries the objects of a Kubernetes cluster ask for.
//!
//! Here are the custom resources and the rules, without I/O: what reads them from an API server and writes entries to a
//! server is the controller. [`Desired`] takes single changes of objects and tells which entries are others now.

pub mod config;
pub mod crd;
mod data;
pub mod desired;
mod entry;
mod kubernetes;
pub mod manifests;
mod object;
mod owned;
mod relationship;
mod render;
mod rule;
mod static_entry;

pub use config::{Class, ConfigError, ControllerManagerConfig};
pub use desired::{Change, Desired, Settings, Touched};
pub use entry::{DesiredEntry, EntryKey};
pub use object::{EndpointsObject, NamespaceObject, NodeObject, PodKey, PodObject, RuleKey, RuleKind};
pub use owned::{OwnedIds, Ownership};
pub use relationship::{DesiredRelationship, RelationshipError, relationship};
pub use render::{Cluster, RenderError};
pub use rule::{Rule, RuleError};
pub use static_entry::{StaticEntryError, static_entry};
