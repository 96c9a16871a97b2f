//! JWT-SVIDs: kept until half of their life is over, and handed out beyond that while the server is away.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use steeple_crypto::jws;
use steeple_proto::spire::api::server::svid::v1 as pb;
use steeple_proto::spire::api::server::svid::v1::svid_client::SvidClient;
use steeple_types::{Entry, SpiffeId};
use tonic::Status;
use tracing::warn;

use crate::server::{CALL_DEADLINE, ServerConnection};

/// A JWT-SVID.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) compact: String,
    /// The authority that signed it.
    key_id: String,
    issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

type Key = (SpiffeId, Vec<String>);

/// Tokens by SPIFFE ID and audience, the most recently used ones up to a limit.
pub(crate) struct JwtCache {
    limit: usize,
    /// How long the server is waited for while there is a token that still holds.
    hit_timeout: Duration,
    tokens: Mutex<Tokens>,
}

#[derive(Default)]
struct Tokens {
    by_key: HashMap<Key, (Token, u64)>,
    tick: u64,
    /// Authorities whose tokens are not kept.
    tainted: BTreeSet<String>,
}

impl JwtCache {
    pub(crate) fn new(limit: usize, hit_timeout: Duration) -> Self {
        Self { limit: limit.max(1), hit_timeout, tokens: Mutex::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.tokens.lock().by_key.len()
    }

    /// Forgets the tokens of IDs that the agent serves no more.
    pub(crate) fn keep_only(&self, ids: &HashSet<&SpiffeId>) {
        self.tokens.lock().by_key.retain(|(id, _), _| ids.contains(id));
    }

    /// Drops the tokens of `tainted` authorities, and keeps none of them from now on; yields how many of each were dropped.
    pub(crate) fn taint(&self, tainted: BTreeSet<String>) -> BTreeMap<String, usize> {
        let mut tokens = self.tokens.lock();
        let mut dropped = BTreeMap::new();
        tokens.by_key.retain(|_, (token, _)| {
            let kept = !tainted.contains(&token.key_id);
            if !kept {
                *dropped.entry(token.key_id.clone()).or_default() += 1;
            }
            kept
        });
        tokens.tainted = tainted;
        dropped
    }

    /// Forgets all tokens.
    pub(crate) fn clear(&self) {
        self.tokens.lock().by_key.clear();
    }

    /// A token for `entry` and `audience`.
    pub(crate) async fn fetch(
        &self,
        server: &ServerConnection,
        entry: &Arc<Entry>,
        audience: &[String],
        clock: &steeple_clock::Clock,
    ) -> Result<Token, Status> {
        let mut sorted = audience.to_vec();
        sorted.sort_unstable();
        let key = (entry.spiffe_id.clone(), sorted);
        let cached = if entry.jwt_svid_include_jti { None } else { self.find(&key) };
        let now = clock.now();
        if let Some(token) = &cached
            && token.expires_at.duration_since(now) > token.expires_at.duration_since(token.issued_at) / 2
        {
            return Ok(token.clone());
        }
        let cached = cached.filter(|token| token.expires_at > now);
        let patience = if cached.is_some() { self.hit_timeout } else { CALL_DEADLINE };
        let asked = clock.timeout(patience, ask(server, entry, audience)).await;
        match asked.unwrap_or_else(|_| Err(Status::deadline_exceeded("server did not answer in time"))) {
            Ok(token) => {
                if !entry.jwt_svid_include_jti {
                    self.put(key, token.clone());
                }
                Ok(token)
            }
            // A token that still holds is better than none.
            Err(status) => {
                let token = cached.ok_or_else(|| status.clone())?;
                let (error, spiffe_id) = (steeple_client::describe(&status), &entry.spiffe_id);
                warn!(error, %spiffe_id, subsystem_name = "manager", "Unable to renew JWT; returning cached copy");
                Ok(token)
            }
        }
    }

    fn find(&self, key: &Key) -> Option<Token> {
        let mut tokens = self.tokens.lock();
        tokens.tick += 1;
        let tick = tokens.tick;
        let (token, used) = tokens.by_key.get_mut(key)?;
        *used = tick;
        Some(token.clone())
    }

    fn put(&self, key: Key, token: Token) {
        let mut tokens = self.tokens.lock();
        if tokens.tainted.contains(&token.key_id) {
            return;
        }
        tokens.tick += 1;
        let tick = tokens.tick;
        tokens.by_key.insert(key, (token, tick));
        if tokens.by_key.len() > self.limit
            && let Some(oldest) = tokens.by_key.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone())
        {
            tokens.by_key.remove(&oldest);
        }
    }
}

async fn ask(server: &ServerConnection, entry: &Entry, audience: &[String]) -> Result<Token, Status> {
    let channel = server.channel().map_err(Status::unavailable)?;
    let request = pb::NewJwtsvidRequest { entry_id: entry.id.to_string(), audience: audience.to_vec() };
    let svid = SvidClient::new(channel).new_jwtsvid(request).await?.into_inner().svid;
    let svid = svid.ok_or_else(|| Status::internal("the server's answer holds no JWT-SVID"))?;
    let time = |second| Timestamp::from_second(second).map_err(|_| Status::internal("JWT-SVID has an impossible time"));
    let key_id = jws::Token::parse(&svid.token).map(|token| token.key_id().to_owned()).unwrap_or_default();
    Ok(Token { compact: svid.token, key_id, issued_at: time(svid.issued_at)?, expires_at: time(svid.expires_at)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(key_id: &str) -> Token {
        let at = |second| Timestamp::from_second(second).unwrap();
        Token { compact: String::new(), key_id: key_id.to_owned(), issued_at: at(0), expires_at: at(300) }
    }

    fn key(audience: &str) -> Key {
        (SpiffeId::parse("spiffe://example.org/w").unwrap(), vec![audience.to_owned()])
    }

    #[test]
    fn tokens_of_a_tainted_authority_go_and_don_t_come_back() {
        let cache = JwtCache::new(10, CALL_DEADLINE);
        for (audience, key_id) in [("a", "old"), ("b", "new"), ("c", "old")] {
            cache.put(key(audience), token(key_id));
        }
        let tainted = BTreeSet::from(["old".to_owned()]);
        assert_eq!(cache.taint(tainted.clone()), BTreeMap::from([("old".to_owned(), 2)]));
        assert!(cache.find(&key("a")).is_none() && cache.find(&key("b")).is_some());
        // An answer that was on its way when the taint was heard of.
        cache.put(key("a"), token("old"));
        assert!(cache.find(&key("a")).is_none());
        assert!(cache.taint(tainted).is_empty());
    }
}
