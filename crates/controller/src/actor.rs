//! The one task that acts: takes up what was told of objects, and makes the server's entries what the rules say.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use steeple_client::describe;
use steeple_clock::Clock;
use steeple_proto::spire::api::types;
use steeple_telemetry::Metrics;
use tokio::sync::watch;
use tonic::Status;
use tracing::{info, warn};

use crate::events::{About, Events, Told};
use crate::federation::Federation;
use crate::inbox::Inbox;
use crate::key::EntryKey;
use crate::kind::Kind;
use crate::reconcile::{Act, Reconciler, Step, Wanted};
use crate::registered::NO_IDENTITY;
use crate::rules::{Fate, Notice, ObjectKey, Report, Rules, Seen};
use crate::status::Statuses;

/// Objects taken up before the next calls to the server.
const TURN: usize = 1000;
/// A comparison takes at most this part of the time.
const REST: u32 = 10;
/// Pause after a comparison that has failed.
const RETRY: Duration = Duration::from_secs(2);

/// How long a pod may be without an identity before it is told so.
const PATIENCE: Duration = Duration::from_secs(5);

/// How far the actor has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// All objects were listed once.
    pub(crate) is_informed: bool,
    /// The server's entries were what is wanted, once.
    pub(crate) is_settled: bool,
}

/// Something that would be done.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// `create`, `update`, `delete`, or `refuse` with a reason.
    pub what: String,
    /// The entry; of one that would be deleted, its ID.
    pub entry: types::Entry,
    /// For whose sake.
    pub owner: Option<ObjectKey>,
}

/// What the actor works with.
pub(crate) struct Actor<R: Rules> {
    pub(crate) rules: R,
    pub(crate) inbox: Arc<Inbox<Kind, R::Object>>,
    /// Kinds without which nothing is done: what is not known yet is not to be deleted.
    pub(crate) kinds: BTreeSet<Kind>,
    pub(crate) reconciler: Reconciler,
    pub(crate) statuses: Statuses,
    pub(crate) events: Events,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
    pub(crate) gc_interval: Duration,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) federation: Federation,
    pub(crate) memory: Memory,
}

/// What the actor remembers.
#[derive(Default)]
pub(crate) struct Memory {
    /// Refused entries, by the object that wants them, and the other way round.
    refused: BTreeMap<ObjectKey, BTreeSet<EntryKey>>,
    refused_of: BTreeMap<EntryKey, ObjectKey>,
    /// What is told later, if it is still so.
    later: VecDeque<(Duration, Notice)>,
    /// Objects whose relationships were looked at.
    federated: BTreeSet<ObjectKey>,
    federation_due: Duration,
}

impl<R: Rules> Actor<R> {
    /// Acts for ever.
    pub(crate) async fn run(mut self) {
        self.inform().await;
        self.begin().await;
        let mut comparison = self.clock.monotonic() + self.gc_interval;
        loop {
            self.take_up();
            if self.clock.monotonic() >= comparison {
                comparison = self.compare().await;
            }
            let is_due = self.clock.monotonic() >= self.memory.federation_due;
            self.federate(is_due).await;
            let step = self.reconciler.step(&Wants(&self.rules)).await;
            self.tell(step);
            if self.reconciler.is_idle() && !self.progress.borrow().is_settled {
                self.progress.send_modify(|progress| progress.is_settled = true);
                info!(entries = self.reconciler.counts().0, "Entries are as they are wanted");
            }
            let until = self.next(comparison).saturating_sub(self.clock.monotonic());
            let pause = self.reconciler.pause().map_or(until, |pause| pause.min(until));
            if self.inbox.depth() == 0 && !pause.is_zero() {
                tokio::select! {
                    () = self.inbox.told() => {}
                    () = self.clock.sleep(pause) => {}
                }
            }
        }
    }

    /// When there is something to do without being told.
    fn next(&self, comparison: Duration) -> Duration {
        let federates = self.kinds.contains(&Kind::ClusterFederatedTrustDomain);
        let federation = federates.then_some(self.memory.federation_due);
        let later = self.memory.later.front().map(|(due, _)| *due);
        [federation, later].into_iter().flatten().fold(comparison, Duration::min)
    }

    /// What would be done now, were it done.
    ///
    /// # Errors
    /// When the server's entries can't be listed.
    pub(crate) async fn plan(mut self) -> Result<Vec<Planned>, Status> {
        self.inform().await;
        self.reconciler.compare(true).await?;
        let keys: BTreeSet<EntryKey> = self.reconciler.held_keys().chain(self.rules.wanted_keys()).collect();
        let planned = |key: &EntryKey| {
            let owner = self.rules.owner(key);
            let (what, entry) = match self.reconciler.act(key, &Wants(&self.rules)) {
                Act::Nothing => return None,
                Act::Create(entry) => ("create".to_owned(), entry),
                Act::Update(entry) => ("update".to_owned(), entry),
                Act::Delete(id) => ("delete".to_owned(), types::Entry { id, ..types::Entry::default() }),
                Act::Refuse(reason) => (format!("refuse ({reason})"), self.rules.wanted(key)?),
            };
            Some(Planned { what, entry, owner })
        };
        Ok(keys.iter().filter_map(planned).collect())
    }

    /// Waits until all objects were listed and taken up.
    async fn inform(&mut self) {
        while !self.inbox.is_settled(&self.kinds) {
            self.inbox.told().await;
            while self.take_up() {}
        }
        self.progress.send_modify(|progress| progress.is_informed = true);
        info!("All objects are known");
    }

    /// Reads what the server has, and has all of it looked at.
    async fn begin(&mut self) {
        while let Err(status) = self.reconciler.compare(true).await {
            warn!(error = describe(&status), "Unable to list the server's entries");
            self.clock.sleep(RETRY).await;
        }
        let keys: BTreeSet<EntryKey> = self.reconciler.held_keys().chain(self.rules.wanted_keys()).collect();
        self.reconciler.look_at(keys);
    }

    /// Takes up what was told; whether there was something.
    fn take_up(&mut self) -> bool {
        let taken = self.inbox.take(TURN);
        let any = !taken.is_empty();
        for (key, object) in taken {
            self.rules.put(&key, object);
        }
        let changed = self.rules.take_changed_entries();
        self.reconciler.look_at(changed);
        any
    }

    /// Compares the server's entries with what is known of them; yields when to do so next.
    async fn compare(&mut self) -> Duration {
        let begun = self.clock.monotonic();
        let compared = self.reconciler.compare(false).await;
        let now = self.clock.monotonic();
        let took = now.saturating_sub(begun);
        let result = if compared.is_ok() { "ok" } else { "failed" };
        self.metrics.count("comparisons", &[("result", result.to_owned())]);
        match compared {
            Ok(()) => now + self.gc_interval.max(took * REST),
            Err(status) => {
                warn!(error = describe(&status), "Unable to compare the server's entries");
                now + RETRY.max(took)
            }
        }
    }

    /// Tells what has become of objects and entries.
    fn tell(&mut self, step: Step) {
        for (result, count) in
            [("created", step.created), ("updated", step.updated), ("deleted", step.deleted), ("failed", step.failed)]
        {
            (0..count).for_each(|_| self.metrics.count("entry_writes", &[("result", result.to_owned())]));
        }
        let (held, due, refused) = self.reconciler.counts();
        for (state, count) in [("own", held), ("due", due), ("refused", refused)] {
            self.metrics.gauge("entries", &[("state", state.to_owned())], as_float(count));
        }
        self.metrics.gauge("server_reachable", &[], if self.reconciler.outage().is_none() { 1.0 } else { 0.0 });
        self.metrics.gauge("inbox_depth", &[], as_float(self.inbox.depth()));
        let mut objects: BTreeSet<ObjectKey> = self.rules.take_changed_objects().into_iter().collect();
        for key in self.reconciler.take_touched() {
            objects.extend(self.take_fate(key));
        }
        objects.extend(std::mem::take(&mut self.memory.federated));
        for object in &objects {
            if let Some(report) = self.report(object) {
                self.statuses.put(object, &report, &self.clock);
            }
        }
        self.tell_notices();
    }

    /// Takes into the counts of its object what has become of an entry; yields the objects that this concerns.
    fn take_fate(&mut self, key: EntryKey) -> Vec<ObjectKey> {
        let owner = self.rules.owner(&key);
        let mut concerned: Vec<ObjectKey> = owner.iter().cloned().collect();
        if let Some(before) = self.memory.refused_of.remove(&key) {
            if let Some(keys) = self.memory.refused.get_mut(&before) {
                keys.remove(&key);
                if keys.is_empty() {
                    self.memory.refused.remove(&before);
                }
            }
            concerned.push(before);
        }
        if let (Some(reason), Some(owner)) = (self.reconciler.failure(&key), owner) {
            let message = reason.to_owned();
            self.memory.refused.entry(owner.clone()).or_default().insert(key);
            self.memory.refused_of.insert(key, owner.clone());
            let uid = self.report(&owner).map(|report| report.uid).unwrap_or_default();
            self.notice(Notice { about: owner, uid, is_warning: true, reason: "EntryRefused", message });
        }
        concerned
    }

    fn report(&self, object: &ObjectKey) -> Option<Report> {
        let refused = self.memory.refused.get(object);
        let reason = refused.and_then(|keys| keys.first()).and_then(|key| self.reconciler.failure(key));
        let seen = Seen {
            fate: &|key| fate(&self.reconciler, key),
            relationship: &|name| match (self.federation.failure(name), self.federation.has(name)) {
                (Some(reason), _) => Fate::Refused(reason),
                (None, true) => Fate::Set,
                (None, false) => Fate::Waiting,
            },
            refused: refused.map_or(0, BTreeSet::len),
            reason,
        };
        self.rules.report(object, &seen)
    }

    /// Tells people what they should know. That a pod has no identity is told after a while: its object may be on the way.
    fn tell_notices(&mut self) {
        let now = self.clock.monotonic();
        for notice in self.rules.take_notices() {
            if notice.reason == NO_IDENTITY {
                self.memory.later.push_back((now + PATIENCE, notice));
            } else {
                self.notice(notice);
            }
        }
        while self.memory.later.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, notice)) = self.memory.later.pop_front() else { break };
            if self.rules.is_unserved(&notice.about) {
                self.notice(notice);
            }
        }
    }

    /// Makes the server's federation relationships what is wanted, where that is due.
    async fn federate(&mut self, is_due: bool) {
        let changed = self.rules.take_federation_changed();
        if !self.kinds.contains(&Kind::ClusterFederatedTrustDomain) || !(changed || is_due) {
            return;
        }
        let wanted = self.rules.relationships();
        self.memory.federated.extend(wanted.iter().map(|wanted| wanted.owner.clone()));
        let relationships: Vec<_> = wanted.into_iter().map(|wanted| wanted.relationship).collect();
        if let Err(error) = self.federation.settle(&relationships).await {
            warn!(%error, "Unable to settle federation relationships");
            self.memory.federation_due = self.clock.monotonic() + RETRY;
        } else {
            self.memory.federation_due = self.clock.monotonic() + self.gc_interval;
        }
    }

    fn notice(&self, notice: Notice) {
        let (kind, namespace, name) = &notice.about;
        let about = About {
            api_version: kind.api_version().to_owned(),
            kind: kind.name().to_owned(),
            namespace: namespace.to_string(),
            name: name.to_string(),
            uid: notice.uid,
        };
        let Notice { is_warning, reason, message, .. } = notice;
        if !self.events.tell(Told { about, is_warning, reason, message }) {
            self.metrics.count("events_dropped", &[]);
        }
    }
}

/// What has become of the entry of a key.
fn fate<'a>(reconciler: &'a Reconciler, key: &EntryKey) -> Fate<'a> {
    match (reconciler.failure(key), reconciler.has(key)) {
        (Some(reason), _) => Fate::Refused(reason),
        (None, true) => Fate::Set,
        (None, false) => Fate::Waiting,
    }
}

/// What the rules want, to the reconciler.
struct Wants<'a, R>(&'a R);

impl<R: Rules> Wanted for Wants<'_, R> {
    fn wanted(&self, key: &EntryKey) -> Option<types::Entry> {
        self.0.wanted(key)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge of a count that is small")]
fn as_float(count: usize) -> f64 {
    count as f64
}
