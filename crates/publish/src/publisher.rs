//! A publisher into clusters, each with a place of its own for the bundle.

use async_trait::async_trait;
use futures::future::join_all;
use parking_lot::Mutex;
use steeple_k8s::ApiServer;
use steeple_plugin::{BundlePublisher, ErrorClass, PluginError};
use steeple_types::Bundle;

const KIND: &str = "bundlepublisher";

/// A place for the bundle in a cluster.
#[async_trait]
pub trait Destination: Send + Sync {
    /// Name of the plugin whose places these are.
    const NAME: &str;

    /// The cluster's API server.
    fn api_server(&self) -> &ApiServer;

    /// Puts the bundle there; `cluster` is the name that the configuration has for it.
    ///
    /// # Errors
    /// What failed, with the cluster's name.
    async fn put(&self, cluster: &str, bundle: &Bundle) -> Result<(), String>;
}

/// A cluster, and which bundle it has.
struct Cluster<D> {
    id: String,
    destination: D,
    published: Mutex<Option<Bundle>>,
}

/// Puts the bundle into every cluster that it was told of.
pub struct K8sPublisher<D> {
    clusters: Vec<Cluster<D>>,
}

impl<D: Destination> K8sPublisher<D> {
    /// A publisher into `clusters`, which are there by the names that the configuration has for them.
    ///
    /// # Errors
    /// [`PluginError`] when the configuration of an API server can't be used. Whether it answers is not asked.
    pub async fn new(clusters: impl IntoIterator<Item = (String, D)>) -> Result<Self, PluginError> {
        let clusters: Vec<_> = clusters
            .into_iter()
            .map(|(id, destination)| Cluster { id, destination, published: Mutex::default() })
            .collect();
        for Cluster { id, destination, .. } in &clusters {
            destination.api_server().connect().await.map_err(|error| {
                internal::<D>(format!("failed to create Kubernetes client for cluster {id:?}: {error}"))
            })?;
        }
        Ok(Self { clusters })
    }
}

#[async_trait]
impl<D: Destination> BundlePublisher for K8sPublisher<D> {
    fn name(&self) -> &str {
        D::NAME
    }

    async fn publish_bundle(&self, bundle: &Bundle) -> Result<(), PluginError> {
        // All at once: a cluster that does not answer keeps nobody else waiting.
        let outcomes = join_all(self.clusters.iter().map(|cluster| cluster.publish(bundle))).await;
        let failures: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
        if failures.is_empty() { Ok(()) } else { Err(internal::<D>(failures.join("\n"))) }
    }
}

impl<D: Destination> Cluster<D> {
    async fn publish(&self, bundle: &Bundle) -> Result<(), String> {
        if self.published.lock().as_ref() == Some(bundle) {
            return Ok(());
        }
        self.destination.put(&self.id, bundle).await?;
        *self.published.lock() = Some(bundle.clone());
        Ok(())
    }
}

fn internal<D: Destination>(message: String) -> PluginError {
    PluginError::new(KIND, D::NAME, ErrorClass::Internal, message)
}
