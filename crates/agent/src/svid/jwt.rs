//! JWT-SVIDs: kept until half of their life is over, and handed out beyond that while the server is away.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use steeple_proto::spire::api::server::svid::v1 as pb;
use steeple_proto::spire::api::server::svid::v1::svid_client::SvidClient;
use steeple_types::{Entry, SpiffeId};
use tonic::Status;

use crate::server::{CALL_DEADLINE, ServerConnection};

/// A JWT-SVID.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) compact: String,
    issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

type Key = (SpiffeId, Vec<String>);

/// Tokens by SPIFFE ID and audience, the most recently used ones up to a limit.
pub(crate) struct JwtCache {
    limit: usize,
    tokens: Mutex<Tokens>,
}

#[derive(Default)]
struct Tokens {
    by_key: HashMap<Key, (Token, u64)>,
    tick: u64,
}

impl JwtCache {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), tokens: Mutex::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.tokens.lock().by_key.len()
    }

    /// Forgets the tokens of IDs that the agent serves no more.
    pub(crate) fn keep_only(&self, ids: &HashSet<&SpiffeId>) {
        self.tokens.lock().by_key.retain(|(id, _), _| ids.contains(id));
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
        let asked = clock.timeout(CALL_DEADLINE, ask(server, entry, audience)).await;
        match asked.unwrap_or_else(|_| Err(Status::deadline_exceeded("server did not answer in time"))) {
            Ok(token) => {
                if !entry.jwt_svid_include_jti {
                    self.put(key, token.clone());
                }
                Ok(token)
            }
            // A token that still holds is better than none.
            Err(status) => cached.filter(|token| token.expires_at > now).ok_or(status),
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
    Ok(Token { compact: svid.token, issued_at: time(svid.issued_at)?, expires_at: time(svid.expires_at)? })
}
