//! Node attestors, both halves of each kind in one module.

pub mod join_token;
pub mod k8s_psat;
pub mod x509pop;

use steeple_plugin::{ErrorClass, PluginError};

/// Type of these plugins in error texts.
const KIND: &str = "nodeattestor";

fn error(name: &str, class: ErrorClass, message: impl Into<String>) -> PluginError {
    PluginError::new(KIND, name, class, message)
}
