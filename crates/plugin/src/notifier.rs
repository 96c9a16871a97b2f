//! Notifiers are told of the bundle when the server starts and when the bundle changes.

use async_trait::async_trait;
use steeple_runtime::Shutdown;
use steeple_types::Bundle;

use crate::PluginError;

/// Tells plugins the bundle of the server's trust domain as it is now (SPIRE's host service `IdentityProvider`).
///
/// Who changes something that other servers change too reads it first and asks for the bundle then: the other order would
/// put an old bundle in place of a new one.
#[async_trait]
pub trait IdentityProvider: Send + Sync {
    /// The bundle.
    ///
    /// # Errors
    /// [`PluginError`] when the datastore doesn't answer.
    async fn bundle(&self) -> Result<Bundle, PluginError>;
}

/// Learns of the bundle.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Name of the plugin, such as `k8sbundle`.
    fn name(&self) -> &str;

    /// The server has its bundle and is about to serve.
    ///
    /// # Errors
    /// [`PluginError`]; the server does not start then.
    async fn bundle_loaded(&self, identity: &dyn IdentityProvider) -> Result<(), PluginError>;

    /// The bundle has changed.
    ///
    /// # Errors
    /// [`PluginError`]; the caller tells it again later.
    async fn bundle_updated(&self, identity: &dyn IdentityProvider) -> Result<(), PluginError>;

    /// Sees to what appears between changes of the bundle, until `shutdown` is triggered. Most have nothing to see to.
    async fn follow(&self, _identity: &dyn IdentityProvider, _shutdown: &Shutdown) {}
}
