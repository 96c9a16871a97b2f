//! Who used up a join token a moment ago.
//!
//! An agent may be killed, or its connection lost, between the use of its token and the arrival of the answer. The same
//! agent, which its key tells, may then ask once more; the token stays of no use to anybody else.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use steeple_crypto::keys::PublicKey;
use steeple_types::SpiffeId;

/// How long an agent may ask once more.
const REMEMBERED_FOR: Duration = Duration::from_mins(10);
/// Most agents remembered; the rest must have a new token.
const MAX_AGENTS: usize = 4096;

/// The agents that joined with a token lately, each with its key's fingerprint and the monotonic time of its joining.
#[derive(Default)]
pub(crate) struct RecentJoins {
    joined: Mutex<HashMap<SpiffeId, (String, Duration)>>,
}

impl RecentJoins {
    /// Notes that the agent `id` used up its token with `key`.
    pub(crate) fn note(&self, id: SpiffeId, key: &PublicKey, now: Duration) {
        let mut joined = self.joined.lock();
        joined.retain(|_, (_, at)| now.saturating_sub(*at) < REMEMBERED_FOR);
        if joined.len() < MAX_AGENTS {
            joined.insert(id, (key.fingerprint(), now));
        }
    }

    /// Whether the agent `id` used up its token with `key` a moment ago.
    pub(crate) fn has(&self, id: &SpiffeId, key: &PublicKey, now: Duration) -> bool {
        let joined = self.joined.lock();
        joined
            .get(id)
            .is_some_and(|(known, at)| *known == key.fingerprint() && now.saturating_sub(*at) < REMEMBERED_FOR)
    }
}

#[cfg(test)]
mod tests {
    use steeple_crypto::keys::{KeyType, PrivateKey};

    use super::*;

    #[test]
    fn only_the_same_agent_with_the_same_key_is_known_and_not_for_long() {
        let joins = RecentJoins::default();
        let key = || PrivateKey::generate(KeyType::EcP256).unwrap();
        let id = |path: &str| SpiffeId::parse(&format!("spiffe://example.org/{path}")).unwrap();
        let (own, other, start) = (key(), key(), Duration::from_hours(1));
        joins.note(id("a"), own.public_key(), start);
        assert!(joins.has(&id("a"), own.public_key(), start + Duration::from_mins(9)));
        assert!(!joins.has(&id("a"), other.public_key(), start));
        assert!(!joins.has(&id("b"), own.public_key(), start));
        assert!(!joins.has(&id("a"), own.public_key(), start + Duration::from_mins(10)));
    }
}
