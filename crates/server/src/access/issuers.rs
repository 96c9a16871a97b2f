//! Tokens of OIDC issuers: whose they are, and the keys by which that is verified.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use steeple_client::{HttpsTrust, get_over_https};
use steeple_clock::Clock;
use steeple_crypto::jws::{IdToken, KeySet};
use steeple_policy::access::TokenFacts;

/// Largest document of keys, in bytes.
const MAX_DOCUMENT: usize = 1 << 20;
/// Longest that a fetch of keys may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Keys that were fetched are fetched anew after this.
const FRESH: Duration = Duration::from_mins(5);
/// Keys that can't be fetched anew count for so long: what an issuer took back must end.
const GOOD: Duration = Duration::from_hours(1);
/// A key that is not known is asked for this often at most: anybody can name one.
const PAUSE: Duration = Duration::from_secs(10);
/// Most groups of a token that count; more is a mistake or an attack.
const MOST_GROUPS: usize = 1_000;

/// An OIDC issuer whose tokens tell who calls.
#[derive(Clone, Debug)]
pub struct TokenIssuer {
    /// Its name in bindings.
    pub name: String,
    /// The `iss` of its tokens.
    pub issuer: String,
    /// The `aud` that tokens for this server have.
    pub audience: String,
    /// The claim that has the groups.
    pub groups_claim: String,
    /// Where its keys are.
    pub keys: KeySource,
}

/// Where the keys of an issuer are.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// In a file, which is read for each token.
    File(PathBuf),
    /// Behind a URL of HTTPS, whose server the system's authorities vouch for.
    Url(String, Arc<Fetched>),
}

/// Keys that were fetched. No lock is held while they are.
#[derive(Debug, Default)]
pub struct Fetched(Mutex<State>);

#[derive(Clone, Debug, Default)]
struct State {
    keys: Option<(Duration, Arc<KeySet>)>,
    tried_at: Option<Duration>,
}

/// The token of a call's headers, if it has one.
///
/// # Errors
/// When there are several headers, or one that has something else.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<Option<String>, String> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let Some(header) = all.next() else { return Ok(None) };
    if all.next().is_some() {
        return Err("several authorization headers".to_owned());
    }
    let token = header.to_str().ok().and_then(|text| text.split_once(' '));
    let token = token.filter(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty());
    token
        .map(|(_, token)| Some(token.to_owned()))
        .ok_or_else(|| "the authorization header has no bearer token".to_owned())
}

/// Verifies a token by the issuer that it names.
///
/// # Errors
/// Why it is not believed; the token itself is not in it.
pub(crate) async fn read(issuers: &[TokenIssuer], token: &str, clock: &Clock) -> Result<TokenFacts, String> {
    let parsed = IdToken::parse(token).map_err(|error| error.to_string())?;
    let issuer = issuers.iter().find(|issuer| issuer.issuer == parsed.unverified_issuer());
    let issuer = issuer.ok_or_else(|| format!("no issuer {:?} is configured", parsed.unverified_issuer()))?;
    let keys = issuer.keys(parsed.key_id(), clock).await?;
    issuer.verified(&keys, parsed, clock.now())
}

impl TokenIssuer {
    fn verified(&self, keys: &KeySet, token: IdToken<'_>, now: Timestamp) -> Result<TokenFacts, String> {
        let key = keys.key(token.key_id());
        let key = key.ok_or_else(|| format!("issuer {:?} has no key {:?}", self.name, token.key_id()))?;
        let claims = token.verify(key, &self.issuer, &self.audience, now).map_err(|error| error.to_string())?;
        facts(&self.name, &self.groups_claim, &claims)
    }

    async fn keys(&self, key_id: &str, clock: &Clock) -> Result<Arc<KeySet>, String> {
        let told = |error: String| format!("keys of issuer {:?}: {error}", self.name);
        match &self.keys {
            KeySource::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || from_file(&path)).await;
                read.map_err(|error| told(error.to_string()))?.map(Arc::new).map_err(told)
            }
            KeySource::Url(url, fetched) => fetched.keys(url, key_id, clock).await.map_err(told),
        }
    }
}

fn from_file(path: &std::path::Path) -> Result<KeySet, String> {
    use std::io::Read;
    let bad = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(bad)?;
    file.take(MAX_DOCUMENT as u64 + 1).read_to_end(&mut text).map_err(bad)?;
    KeySet::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
}

impl Fetched {
    async fn keys(&self, url: &str, key_id: &str, clock: &Clock) -> Result<Arc<KeySet>, String> {
        let now = clock.monotonic();
        let is_due = {
            let mut state = self.0.lock();
            let is_due = state.is_due(key_id, now);
            if is_due {
                state.tried_at = Some(now);
            }
            is_due
        };
        let failure = if is_due { fetch(url, clock).await.map(|keys| self.take(keys, now)).err() } else { None };
        let good = self.0.lock().good(clock.monotonic());
        good.ok_or_else(|| failure.unwrap_or_else(|| "they could not be fetched a moment ago".to_owned()))
    }

    fn take(&self, keys: KeySet, at: Duration) {
        self.0.lock().keys = Some((at, Arc::new(keys)));
    }
}

impl State {
    fn is_due(&self, key_id: &str, now: Duration) -> bool {
        let is_known =
            self.keys.as_ref().is_some_and(|(at, keys)| now.saturating_sub(*at) < FRESH && keys.key(key_id).is_some());
        !is_known && self.tried_at.is_none_or(|tried_at| now.saturating_sub(tried_at) >= PAUSE)
    }

    fn good(&self, now: Duration) -> Option<Arc<KeySet>> {
        let keys = self.keys.as_ref().filter(|(at, _)| now.saturating_sub(*at) < GOOD);
        keys.map(|(_, keys)| Arc::clone(keys))
    }
}

async fn fetch(url: &str, clock: &Clock) -> Result<KeySet, String> {
    let trust = tokio::task::spawn_blocking(HttpsTrust::web_pki).await.map_err(|error| error.to_string())??;
    let document = clock.timeout(PATIENCE, get_over_https(url, &trust, MAX_DOCUMENT)).await;
    let document = document.map_err(|_late| format!("no whole answer of {url} within {} s", PATIENCE.as_secs()))?;
    KeySet::parse(&document.map_err(|error| error.to_string())?).map_err(|error| format!("{url}: {error}"))
}

/// What verified claims say of a person. Groups are a list of texts; anything else is refused, not left out.
///
/// # Errors
/// What is wrong with them.
pub fn facts(issuer: &str, groups_claim: &str, claims: &Map<String, Value>) -> Result<TokenFacts, String> {
    let user = claims.get("sub").and_then(Value::as_str).filter(|sub| !sub.is_empty());
    let user = user.ok_or("token missing subject claim")?.to_owned();
    let bad = || format!("claim {groups_claim:?} is not a list of at most {MOST_GROUPS} texts");
    let groups: Vec<String> = match claims.get(groups_claim) {
        None => Vec::new(),
        Some(Value::Array(groups)) if groups.len() <= MOST_GROUPS => {
            let texts: Option<Vec<String>> = groups.iter().map(|group| group.as_str().map(str::to_owned)).collect();
            texts.ok_or_else(bad)?
        }
        Some(_) => return Err(bad()),
    };
    Ok(TokenFacts { issuer: issuer.to_owned(), user, groups })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;
    use steeple_crypto::jwk::Jwk;
    use steeple_crypto::keys::{KeyType, PrivateKey};

    use super::*;

    #[test]
    fn keys_are_fetched_when_they_are_old_or_unknown_and_not_more_often_than_is_good() {
        let key = PrivateKey::generate(KeyType::EcP256).unwrap();
        let jwk = Jwk { kid: "a".to_owned(), ..Jwk::from_key(key.public_key()).unwrap() };
        let keys = KeySet::parse(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap();
        let at = Duration::from_secs;
        let mut state = State::default();
        assert!(state.is_due("a", at(5)) && state.good(at(5)).is_none());
        state.tried_at = Some(at(5));
        assert!(!state.is_due("a", at(14)) && state.is_due("a", at(15)));
        state.keys = Some((at(5), Arc::new(keys)));
        assert!(!state.is_due("a", at(304)) && state.is_due("a", at(305)));
        assert!(!state.is_due("b", at(14)) && state.is_due("b", at(15)));
        assert!(state.good(at(3_604)).is_some() && state.good(at(3_605)).is_none());
    }

    #[test]
    fn one_bearer_token_is_read_and_all_else_in_its_place_refused() {
        let read = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            bearer(&headers)
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["bearer a.b.c"]), Ok(Some("a.b.c".to_owned())));
        for values in [&["Bearer a", "Bearer b"][..], &["Basic a"], &["Bearer "], &["Bearer"]] {
            assert!(read(values).is_err(), "{values:?}");
        }
    }

    #[test]
    fn groups_are_texts_or_the_token_is_refused() {
        let read = |claims: Value| facts("corp", "groups", claims.as_object().unwrap());
        assert_eq!(read(json!({ "sub": "mia", "groups": ["a", "b"] })).unwrap().groups, ["a", "b"]);
        assert!(read(json!({ "sub": "mia" })).unwrap().groups.is_empty());
        for groups in [json!("a"), json!(["a", 1]), json!(null), json!({ "a": true }), json!(vec!["a"; 1_001])] {
            assert!(read(json!({ "sub": "mia", "groups": groups })).is_err(), "{groups}");
        }
    }
}
