//! Workload attestors tell what a process is.

use async_trait::async_trait;
use steeple_types::Selector;

use crate::PluginError;

/// Tells the selectors of a process.
#[async_trait]
pub trait WorkloadAttestor: Send + Sync {
    /// Name of the plugin, such as `unix`.
    fn name(&self) -> &str;

    /// Selectors of the process `pid`, none when the process is nothing that this attestor knows.
    ///
    /// The caller checks, when all attestors have answered, that the process still lives.
    ///
    /// # Errors
    /// [`PluginError`] when the process can't be looked at.
    async fn attest(&self, pid: u32) -> Result<Vec<Selector>, PluginError>;
}
