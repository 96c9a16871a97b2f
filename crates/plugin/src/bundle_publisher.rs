//! Bundle publishers put the bundle where others read it.

use async_trait::async_trait;
use steeple_types::Bundle;

use crate::PluginError;

/// Publishes the bundle of the server's trust domain.
#[async_trait]
pub trait BundlePublisher: Send + Sync {
    /// Name of the plugin, such as `k8s_configmap`.
    fn name(&self) -> &str;

    /// Publishes `bundle`. It is asked again and again with the same bundle, and need not publish it twice.
    ///
    /// # Errors
    /// [`PluginError`] when the bundle was not published everywhere; the caller asks again later.
    async fn publish_bundle(&self, bundle: &Bundle) -> Result<(), PluginError>;
}
