//! Workload attestors: `unix`, `docker` (with podman) and `systemd`.
//!
//! Each tells the selectors of a process from what the kernel, a container daemon or systemd says of it.

pub mod docker;
pub mod systemd;
pub mod unix;

use steeple_plugin::{ErrorClass, PluginError};
use steeple_types::Selector;

/// Type of these plugins in error texts.
const KIND: &str = "workloadattestor";

fn internal(name: &str, message: impl Into<String>) -> PluginError {
    PluginError::new(KIND, name, ErrorClass::Internal, message)
}

/// Turns `(sub-selector, value)` pairs into selectors of the type `name`; a pair without a value is left out.
fn selectors(name: &str, values: impl IntoIterator<Item = String>) -> Vec<Selector> {
    values.into_iter().filter_map(|value| Selector::new(name, value).ok()).collect()
}
