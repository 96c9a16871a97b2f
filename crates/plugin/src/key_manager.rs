//! Key managers keep private keys and sign with them.

use std::sync::Arc;

use async_trait::async_trait;
use steeple_crypto::keys::{KeyType, Signer};

use crate::PluginError;

/// A key held by a key manager.
#[derive(Clone)]
pub struct ManagedKey {
    /// Identifier, such as `x509-CA-A` or `agent-svid-B`.
    pub id: String,
    /// Signs with the key; the private half never leaves the key manager.
    pub signer: Arc<dyn Signer>,
}

/// Keeps private keys under identifiers.
#[async_trait]
pub trait KeyManager: Send + Sync {
    /// Name of the plugin, such as `disk`.
    fn name(&self) -> &str;

    /// Makes a new key under `id`, in place of the one that was there; returns once it is kept as durably as this
    /// key manager keeps keys.
    ///
    /// # Errors
    /// [`PluginError`] when the key can't be made or kept; the key that was there is then still there.
    async fn generate_key(&self, id: &str, key_type: KeyType) -> Result<ManagedKey, PluginError>;

    /// The key under `id`.
    ///
    /// # Errors
    /// [`PluginError`] when the keys can't be read.
    async fn key(&self, id: &str) -> Result<Option<ManagedKey>, PluginError>;

    /// All keys in order of their identifiers.
    ///
    /// # Errors
    /// [`PluginError`] when the keys can't be read.
    async fn keys(&self) -> Result<Vec<ManagedKey>, PluginError>;
}
