//! Answers to challenges that are open.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::sign::CertifiedKey;

/// The certificates by which open challenges are answered, by domain. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Challenges(Arc<RwLock<BTreeMap<String, Arc<CertifiedKey>>>>);

impl Challenges {
    /// The answer for `domain`, if a challenge is open.
    pub(crate) fn answer(&self, domain: &str) -> Option<Arc<CertifiedKey>> {
        self.0.read().get(domain).cloned()
    }

    /// Answers for `domain` by `certificate` until what is returned is dropped.
    pub(crate) fn open(&self, domain: &str, certificate: Arc<CertifiedKey>) -> Open {
        self.0.write().insert(domain.to_owned(), certificate);
        Open { challenges: self.clone(), domain: domain.to_owned() }
    }
}

/// A challenge that is being answered.
pub(crate) struct Open {
    challenges: Challenges,
    domain: String,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.challenges.0.write().remove(&self.domain);
    }
}
