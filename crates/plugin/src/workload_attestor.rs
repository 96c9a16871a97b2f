//! Workload attestors tell what a process is.

use async_trait::async_trait;
use steeple_runtime::Shutdown;
use steeple_types::Selector;

use crate::PluginError;

/// A pod, as the one who mounts a volume into it knows it: the kubelet told, and not the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountedPod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Name of its service account.
    pub service_account: String,
}

/// Where processes are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The container whose ID begins so.
    Container(String),
    /// A pod of this node.
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// What was found in a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occupant {
    /// These processes, those of the workload's own containers first; never none.
    Processes(Vec<u32>),
    /// This pod, none of whose processes can be seen.
    Pod(MountedPod),
}

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

    /// Selectors of whoever calls from `pod`, by a socket that only this pod has; none when this attestor knows processes
    /// alone.
    ///
    /// # Errors
    /// [`PluginError`] when the pod isn't known, or isn't the one that was mounted.
    async fn attest_pod(&self, _pod: &MountedPod) -> Result<Vec<Selector>, PluginError> {
        Ok(Vec::new())
    }

    /// Who is in `place`; `None` when this attestor knows no such places.
    ///
    /// # Errors
    /// [`PluginError`] when there is no such place on this node, or nobody can be seen in it.
    async fn find(&self, _place: &Place) -> Result<Option<Occupant>, PluginError> {
        Ok(None)
    }

    /// Keeps up to date what this attestor answers from, until `shutdown` is triggered. Most keep nothing.
    async fn follow(&self, _shutdown: &Shutdown) {}
}
