//! `memory`: keys that end with the process.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::RwLock;
use steeple_crypto::keys::{KeyType, LocalSigner};
use steeple_plugin::{KeyManager, ManagedKey, PluginError};

use crate::{generate, managed};

const NAME: &str = "memory";

/// Keeps keys in memory.
#[derive(Default)]
pub struct MemoryKeys {
    keys: RwLock<BTreeMap<String, Arc<LocalSigner>>>,
}

#[async_trait]
impl KeyManager for MemoryKeys {
    fn name(&self) -> &str {
        NAME
    }

    async fn generate_key(&self, id: &str, key_type: KeyType) -> Result<ManagedKey, PluginError> {
        let signer = Arc::new(LocalSigner(generate(NAME, key_type).await?));
        self.keys.write().insert(id.to_owned(), Arc::clone(&signer));
        Ok(managed(id, &signer))
    }

    async fn key(&self, id: &str) -> Result<Option<ManagedKey>, PluginError> {
        Ok(self.keys.read().get(id).map(|signer| managed(id, signer)))
    }

    async fn keys(&self) -> Result<Vec<ManagedKey>, PluginError> {
        Ok(self.keys.read().iter().map(|(id, signer)| managed(id, signer)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keys_are_there_until_the_process_ends() {
        let keys = MemoryKeys::default();
        let first = keys.generate_key("x509-CA-A", KeyType::EcP256).await.unwrap();
        let found = keys.key("x509-CA-A").await.unwrap().unwrap();
        assert_eq!(found.signer.public_key(), first.signer.public_key());
        let second = keys.generate_key("x509-CA-A", KeyType::EcP256).await.unwrap();
        let all = keys.keys().await.unwrap();
        assert_eq!((all.len(), all[0].signer.public_key()), (1, second.signer.public_key()));
        assert_ne!(first.signer.public_key(), second.signer.public_key());
        assert!(MemoryKeys::default().keys().await.unwrap().is_empty());
    }
}
