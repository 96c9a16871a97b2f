//! An API server, as a configuration names it.

use std::path::PathBuf;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// Longest wait for a connection, and for the next byte of an answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// Longest wait for something to happen that is watched. Servers end a watch before.
const SILENCE: Duration = Duration::from_mins(5);

/// Why an API server can't be reached at all.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig file can't be used.
    #[error("unable to create client config: {path}: {reason}")]
    Kubeconfig {
        /// Path of the file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Outside of a pod there is no configuration of a cluster.
    #[error("unable to create client config: unable to load in-cluster configuration: {0}")]
    InCluster(String),
    /// The configuration makes no client.
    #[error("unable to create clientset for the given config: {0}")]
    Client(String),
}

/// Where an API server is, and who calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiServer {
    /// That of the cluster whose pod this process runs in, called by the pod's service account.
    InCluster,
    /// The current context of a kubeconfig file.
    Kubeconfig(PathBuf),
}

impl ApiServer {
    /// The API server that `kube_config_file` names; an empty one stands for that of the pod's own cluster.
    pub fn named(kube_config_file: &str) -> Self {
        if kube_config_file.is_empty() { Self::InCluster } else { Self::Kubeconfig(PathBuf::from(kube_config_file)) }
    }

    /// A client. Files are read now, so that what was renewed meanwhile is taken up.
    ///
    /// # Errors
    /// [`ConnectError`] when there is no usable configuration; whether the server answers is seen at the first call.
    pub async fn connect(&self) -> Result<Client, ConnectError> {
        self.client(Some(DEADLINE)).await
    }

    /// A client for calls that are silent for as long as nothing happens, five minutes at most.
    ///
    /// # Errors
    /// As those of [`connect`](Self::connect).
    pub async fn connect_to_watch(&self) -> Result<Client, ConnectError> {
        self.client(Some(SILENCE)).await
    }

    /// A client for answers that go on and on. How long one may be silent the caller has to say.
    pub(crate) async fn connect_for_streams(&self) -> Result<Client, ConnectError> {
        self.client(None).await
    }

    /// Path of the kubeconfig file; empty for that of the pod's own cluster.
    pub fn kubeconfig_path(&self) -> String {
        match self {
            Self::InCluster => String::new(),
            Self::Kubeconfig(path) => path.display().to_string(),
        }
    }

    async fn client(&self, silence: Option<Duration>) -> Result<Client, ConnectError> {
        let mut config = match self {
            Self::InCluster => Config::incluster().map_err(|error| ConnectError::InCluster(error.to_string()))?,
            Self::Kubeconfig(path) => {
                let unusable = |reason: String| ConnectError::Kubeconfig { path: path.display().to_string(), reason };
                let file = Kubeconfig::read_from(path).map_err(|error| unusable(error.to_string()))?;
                let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
                config.map_err(|error| unusable(error.to_string()))?
            }
        };
        config.connect_timeout = Some(DEADLINE);
        config.read_timeout = silence;
        config.write_timeout = Some(DEADLINE);
        Client::try_from(config).map_err(|error| ConnectError::Client(error.to_string()))
    }
}
