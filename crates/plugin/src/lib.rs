//! Traits of the plugins: key managers, node and workload attestors, upstream authorities, bundle publishers, notifiers.
//!
//! Built-in plugins are plain trait objects, made in `bin/steeple/src/choose.rs`; callers know these traits only.
//! A caller bounds every call with a deadline of its own.

mod bundle_publisher;
mod error;
mod key_manager;
mod node_attestor;
mod notifier;
mod upstream_authority;
mod workload_attestor;

pub use bundle_publisher::BundlePublisher;
pub use error::{ErrorClass, PluginError};
pub use key_manager::{KeyManager, ManagedKey};
pub use node_attestor::{AgentNodeAttestor, AttestationAttempt, Conversation, NodeAttestor, NodeClaims, Origin};
pub use notifier::{IdentityProvider, Notifier};
pub use upstream_authority::{JwtKeyPublication, MintedX509Ca, UpstreamAuthority};
pub use workload_attestor::{MountedPod, Occupant, Place, WorkloadAttestor};
