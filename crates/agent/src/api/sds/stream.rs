//! The streams of SDS: the whole state at each change, or what has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use steeple_crypto::{digest, random};
use steeple_explain::RefusalReason;
use steeple_proto::envoy::service::discovery::v3 as pb;
use tokio::sync::watch;
use tonic::{Status, Streaming};
use tracing::warn;

use super::refusals::{Logged, refusals};
use super::secrets::{Names, Secrets, secrets};
use super::{Answers, Party, SECRET};
use crate::core::Core;
use crate::refusals::referred;
use crate::svid::Snapshot;

/// How long the SVIDs may take to come for a call that does not stream.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a stream of either kind follows.
struct Feed {
    core: Arc<Core>,
    party: Party,
    method: &'static str,
    state: watch::Receiver<Arc<Snapshot>>,
    names: Option<Names>,
    nonce: String,
    logged: Logged,
}

impl Feed {
    fn new(core: Arc<Core>, method: &'static str, party: Party) -> Self {
        let state = core.cache.subscribe();
        Self { core, party, method, state, names: None, nonce: String::new(), logged: Logged::default() }
    }

    /// The secrets under the names asked for; `None` as long as an SVID is missing. A workload without an identity has the
    /// bundle of the own trust domain, as with SPIRE.
    fn secrets(&mut self, asked: &[String]) -> Result<Option<Secrets>, Status> {
        let snapshot = Arc::clone(&self.state.borrow_and_update());
        let mine = snapshot.matching(&self.party.known.selectors);
        let _demand = self.core.cache.demand(&mine);
        if mine.iter().any(|identity| identity.svid.is_none()) {
            return Ok(None);
        }
        let names = self.names.clone().unwrap_or_else(|| Names::of(&self.core.settings.sds, None));
        let found = secrets(&snapshot, &mine, &names, asked)?;
        let refuse = |name: &str| {
            let said = format!("workload is not authorized for {name:?}");
            self.party.refuse(
                &self.core,
                self.method,
                RefusalReason::NoSecret(name.to_owned()),
                &Status::permission_denied(said),
            )
        };
        self.logged.note(asked, &found, refuse);
        Ok(Some(found))
    }

    fn new_nonce(&mut self) -> Result<String, Status> {
        let bytes = random::bytes::<4>().map_err(|error| Status::internal(error.to_string()))?;
        self.nonce = hex::encode(bytes);
        Ok(self.nonce.clone())
    }

    async fn changed(state: &mut watch::Receiver<Arc<Snapshot>>) -> Result<(), Status> {
        state.changed().await.map_err(|_| Status::unavailable("agent is shutting down"))
    }
}

/// `FetchSecrets`: the secrets that there are, once the workload's SVIDs have come.
pub(super) async fn once(
    core: Arc<Core>,
    party: Party,
    request: pb::DiscoveryRequest,
) -> Result<pb::DiscoveryResponse, Status> {
    let (clock, mut feed) = (core.clock.clone(), Feed::new(core, "FetchSecrets", party));
    feed.names = request.node.as_ref().map(|node| Names::of(&feed.core.settings.sds, Some(node)));
    let fetching = async {
        loop {
            if let Some(secrets) = feed.secrets(&request.resource_names)? {
                return Ok::<_, Status>(secrets);
            }
            Feed::changed(&mut feed.state).await?;
        }
    };
    let late = |_| Status::unavailable("the X509-SVIDs of the workload are not available yet");
    let secrets = clock.timeout(PATIENCE, fetching).await.map_err(late)??;
    if secrets.is_empty() {
        let status = Status::permission_denied("no identity issued");
        let has_one = !feed.core.cache.snapshot().matching(&feed.party.known.selectors).is_empty();
        let reason = match request.resource_names.first().filter(|_| has_one) {
            Some(name) => RefusalReason::NoSecret(name.clone()),
            None => RefusalReason::NoIdentity,
        };
        let reference = feed.party.refuse(&feed.core, feed.method, reason, &status);
        let pid = feed.party.pid();
        warn!(pid, method = feed.method, reference, subsystem_name = "endpoints", "No secret is given");
        return Err(referred(status, &reference));
    }
    Ok(response(&secrets, &request.resource_names, String::new(), &feed.logged))
}

/// An answer with all secrets and why names are without; its version is the hash of the secrets'.
fn response(secrets: &Secrets, asked: &[String], nonce: String, logged: &Logged) -> pb::DiscoveryResponse {
    let versions: String = secrets.values().map(|secret| secret.version.as_str()).collect();
    let hash = digest::sha256(versions.as_bytes());
    pb::DiscoveryResponse {
        version_info: hex::encode(hash.get(..8).unwrap_or(&hash)),
        resources: secrets.values().map(|secret| secret.any.clone()).collect(),
        type_url: SECRET.to_owned(),
        nonce,
        resource_errors: refusals(asked, secrets, logged),
        ..pb::DiscoveryResponse::default()
    }
}

/// `StreamSecrets`.
pub(super) fn whole(
    core: Arc<Core>,
    party: Party,
    requests: Streaming<pb::DiscoveryRequest>,
) -> Answers<pb::DiscoveryResponse> {
    let start = Whole { feed: Feed::new(core, "StreamSecrets", party), requests, asked: None, last: None };
    Box::pin(futures::stream::unfold(Some(start), |state| async {
        let mut state = state?;
        match state.next().await {
            Ok(Some(answer)) => Some((Ok(answer), Some(state))),
            Ok(None) => None,
            Err(status) => Some((Err(status), None)),
        }
    }))
}

struct Whole {
    feed: Feed,
    requests: Streaming<pb::DiscoveryRequest>,
    asked: Option<Vec<String>>,
    last: Option<Secrets>,
}

impl Whole {
    async fn next(&mut self) -> Result<Option<pb::DiscoveryResponse>, Status> {
        loop {
            if let Some(asked) = self.asked.clone()
                && let Some(secrets) = self.feed.secrets(&asked)?
                && self.last.as_ref() != Some(&secrets)
                // There is nothing to tell whoever takes all that there is.
                && !(self.last.is_none() && secrets.is_empty() && asked.is_empty())
            {
                let answer = response(&secrets, &asked, self.feed.new_nonce()?, &self.feed.logged);
                self.last = Some(secrets);
                return Ok(Some(answer));
            }
            tokio::select! {
                request = self.requests.message() => match request? {
                    Some(request) => self.take(request),
                    None => return Ok(None),
                },
                changed = Feed::changed(&mut self.feed.state) => changed?,
            }
        }
    }

    fn take(&mut self, request: pb::DiscoveryRequest) {
        // An answer to something older than what was sent last says nothing.
        if self.asked.is_some() && request.response_nonce != self.feed.nonce {
            return;
        }
        if let Some(error) = &request.error_detail {
            self.feed.core.measures.nacked();
            warn!(error = error.message, subsystem_name = "endpoints", "Envoy reported errors applying secrets");
        }
        if let Some(node) = &request.node {
            self.feed.names = Some(Names::of(&self.feed.core.settings.sds, Some(node)));
        }
        if self.asked.as_ref() != Some(&request.resource_names) {
            self.last = None;
            self.asked = Some(request.resource_names);
        }
    }
}

/// `DeltaSecrets`.
pub(super) fn delta(
    core: Arc<Core>,
    party: Party,
    requests: Streaming<pb::DeltaDiscoveryRequest>,
) -> Answers<pb::DeltaDiscoveryResponse> {
    let start =
        Delta { feed: Feed::new(core, "DeltaSecrets", party), requests, asked: BTreeSet::new(), sent: BTreeMap::new() };
    Box::pin(futures::stream::unfold(Some(start), |state| async {
        let mut state = state?;
        match state.next().await {
            Ok(Some(answer)) => Some((Ok(answer), Some(state))),
            Ok(None) => None,
            Err(status) => Some((Err(status), None)),
        }
    }))
}

struct Delta {
    feed: Feed,
    requests: Streaming<pb::DeltaDiscoveryRequest>,
    asked: BTreeSet<String>,
    /// Versions that Envoy has, by name; an empty version is a name that it knows to stand for nothing.
    sent: BTreeMap<String, String>,
}

impl Delta {
    async fn next(&mut self) -> Result<Option<pb::DeltaDiscoveryResponse>, Status> {
        loop {
            if let Some(answer) = self.changes()? {
                return Ok(Some(answer));
            }
            tokio::select! {
                request = self.requests.message() => match request? {
                    Some(request) => self.take(request),
                    None => return Ok(None),
                },
                changed = Feed::changed(&mut self.feed.state) => changed?,
            }
        }
    }

    fn changes(&mut self) -> Result<Option<pb::DeltaDiscoveryResponse>, Status> {
        if self.asked.is_empty() {
            return Ok(None);
        }
        let asked: Vec<String> = self.asked.iter().cloned().collect();
        let Some(secrets) = self.feed.secrets(&asked)? else { return Ok(None) };
        let mut answer = pb::DeltaDiscoveryResponse { type_url: SECRET.to_owned(), ..Default::default() };
        let mut told = Vec::new();
        for name in &asked {
            let version = secrets.get(name).map(|secret| secret.version.clone()).unwrap_or_default();
            if self.sent.get(name) == Some(&version) {
                continue;
            }
            told.push(name.clone());
            match secrets.get(name) {
                Some(secret) => answer.resources.push(pb::Resource {
                    version: version.clone(),
                    resource: Some(secret.any.clone()),
                    name: name.clone(),
                    aliases: Vec::new(),
                }),
                None => answer.removed_resources.push(name.clone()),
            }
            self.sent.insert(name.clone(), version);
        }
        if told.is_empty() {
            return Ok(None);
        }
        answer.resource_errors = refusals(&told, &secrets, &self.feed.logged);
        answer.nonce = self.feed.new_nonce()?;
        Ok(Some(answer))
    }

    fn take(&mut self, request: pb::DeltaDiscoveryRequest) {
        if let Some(error) = &request.error_detail {
            self.feed.core.measures.nacked();
            warn!(error = error.message, subsystem_name = "endpoints", "Envoy reported errors applying secrets");
        }
        if let Some(node) = &request.node {
            self.feed.names = Some(Names::of(&self.feed.core.settings.sds, Some(node)));
        }
        self.sent.extend(request.initial_resource_versions);
        for name in request.resource_names_unsubscribe {
            self.asked.remove(&name);
            self.sent.remove(&name);
        }
        self.asked.extend(request.resource_names_subscribe);
    }
}
