//! A key manager whose calls somebody hears of.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use steeple_clock::Clock;
use steeple_crypto::keys::KeyType;
use steeple_plugin::{ErrorClass, KeyManager, ManagedKey, PluginError};

/// What was asked of a key manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyCall {
    /// A new key.
    GenerateKey,
    /// One key.
    Key,
    /// All keys.
    Keys,
}

/// Hears what was asked, what came of it and how long it took.
pub type KeyObserver = Arc<dyn Fn(KeyCall, Result<(), ErrorClass>, Duration) + Send + Sync>;

/// A key manager whose calls are told to an observer.
pub struct ObservedKeys {
    keys: Arc<dyn KeyManager>,
    observer: KeyObserver,
    clock: Clock,
}

impl ObservedKeys {
    /// Tells `observer` of the calls of `keys`.
    pub fn new(keys: Arc<dyn KeyManager>, observer: KeyObserver, clock: Clock) -> Self {
        Self { keys, observer, clock }
    }

    async fn told<T>(
        &self,
        call: KeyCall,
        answer: impl Future<Output = Result<T, PluginError>>,
    ) -> Result<T, PluginError> {
        let began = self.clock.monotonic();
        let answer = answer.await;
        let outcome = answer.as_ref().map(drop).map_err(|error| error.class);
        (self.observer)(call, outcome, self.clock.monotonic().saturating_sub(began));
        answer
    }
}

#[async_trait]
impl KeyManager for ObservedKeys {
    fn name(&self) -> &str {
        self.keys.name()
    }

    async fn generate_key(&self, id: &str, key_type: KeyType) -> Result<ManagedKey, PluginError> {
        self.told(KeyCall::GenerateKey, self.keys.generate_key(id, key_type)).await
    }

    async fn key(&self, id: &str) -> Result<Option<ManagedKey>, PluginError> {
        self.told(KeyCall::Key, self.keys.key(id)).await
    }

    async fn keys(&self) -> Result<Vec<ManagedKey>, PluginError> {
        self.told(KeyCall::Keys, self.keys.keys()).await
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::{DiskKeys, MemoryKeys};

    #[tokio::test]
    async fn calls_are_told_with_what_came_of_them() {
        let heard: Arc<Mutex<Vec<(KeyCall, bool)>>> = Arc::default();
        let observe = |keys: Arc<dyn KeyManager>| {
            let heard = Arc::clone(&heard);
            let observer: KeyObserver = Arc::new(move |call, outcome, _| heard.lock().push((call, outcome.is_ok())));
            ObservedKeys::new(keys, observer, Clock::manual(jiff::Timestamp::UNIX_EPOCH).0)
        };
        let keys = observe(Arc::new(MemoryKeys::default()));
        keys.generate_key("a", KeyType::EcP256).await.unwrap();
        assert_eq!(keys.key("a").await.unwrap().unwrap().id, "a");
        assert_eq!((keys.keys().await.unwrap().len(), keys.name()), (1, "memory"));
        let folder = tempfile::tempdir().unwrap();
        let on_disk = observe(Arc::new(DiskKeys::open(folder.path().join("keys.json")).unwrap()));
        drop(folder);
        assert!(on_disk.generate_key("a", KeyType::EcP256).await.is_err());
        let expected =
            [(KeyCall::GenerateKey, true), (KeyCall::Key, true), (KeyCall::Keys, true), (KeyCall::GenerateKey, false)];
        assert_eq!(*heard.lock(), expected);
    }
}
