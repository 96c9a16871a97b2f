//! Makes the server's entries what is wanted, entry by entry, in batches.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use steeple_client::describe;
use steeple_clock::Clock;
use steeple_proto::spire::api::types;
use steeple_runtime::Backoff;
use tonic::{Code, Status};
use tracing::{info, warn};

use crate::entries::{DELETIONS, Entries, WRITES, Written};
use crate::key::EntryKey;
use crate::ledger::{Found, Known, Ledger, Print, Taken, print_of};
use crate::ownership::{Owner, Ownership};

/// Pauses of an entry that the server has refused, and of all when it can't be asked.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
const LONGEST_OUTAGE_PAUSE: Duration = Duration::from_secs(15);

/// What is wanted.
pub(crate) trait Wanted {
    /// The entry that is wanted for a key, without an ID.
    fn wanted(&self, key: &EntryKey) -> Option<types::Entry>;
}

/// What one step has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) created: usize,
    pub(crate) updated: usize,
    pub(crate) deleted: usize,
    pub(crate) failed: usize,
}

/// What is to be done for one key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Act {
    Nothing,
    Create(types::Entry),
    Update(types::Entry),
    Delete(String),
    /// It can't be done, whatever the server says.
    Refuse(String),
}

/// The entries of a server, and how they become what is wanted.
pub(crate) struct Reconciler {
    entries: Entries,
    ownership: Ownership,
    clock: Clock,
    ledger: Ledger,
    /// Keys that are to be looked at.
    due: BTreeSet<EntryKey>,
    /// Own entries of which there is another.
    surplus: BTreeSet<String>,
    failures: HashMap<EntryKey, Failure>,
    /// When keys that have failed are looked at again.
    later: BTreeMap<Duration, Vec<EntryKey>>,
    /// Keys whose failure has come or gone since it was asked.
    touched: BTreeSet<EntryKey>,
    outage: Outage,
}

/// An entry that the server has refused.
#[derive(Clone, Debug)]
struct Failure {
    reason: String,
    backoff: Backoff,
}

/// How long the server is left alone, since a call failed as a whole.
struct Outage {
    backoff: Backoff,
    until: Duration,
    reason: Option<String>,
}

impl Reconciler {
    pub(crate) fn new(entries: Entries, ownership: Ownership, clock: Clock) -> Self {
        Self {
            entries,
            ownership,
            clock,
            ledger: Ledger::default(),
            due: BTreeSet::new(),
            surplus: BTreeSet::new(),
            failures: HashMap::new(),
            later: BTreeMap::new(),
            touched: BTreeSet::new(),
            outage: Outage::none(),
        }
    }

    /// Something has changed about what is wanted for these keys.
    pub(crate) fn look_at(&mut self, keys: impl IntoIterator<Item = EntryKey>) {
        self.due.extend(keys);
    }

    /// Reads all entries of the server. `is_first` reads all of each; later comparisons read what has changed.
    ///
    /// # Errors
    /// When a page can't be read: what was known stays, and the pages before count.
    pub(crate) async fn compare(&mut self, is_first: bool) -> Result<(), Status> {
        let mask = (!is_first).then(|| types::EntryMask { revision_number: true, ..types::EntryMask::default() });
        self.ledger.begin();
        let mut token = String::new();
        loop {
            let (page, next) = self.entries.page(token, mask).await?;
            for entry in page {
                self.listed(entry, is_first).await?;
            }
            if next.is_empty() {
                break;
            }
            token = next;
        }
        let gone = self.ledger.end();
        self.due.extend(gone);
        Ok(())
    }

    /// Takes up an entry of a list if it is new or has changed.
    async fn listed(&mut self, entry: types::Entry, is_whole: bool) -> Result<(), Status> {
        if is_whole {
            if self.ownership.of(&entry) != Owner::Other {
                self.take(&entry, None);
            }
            return Ok(());
        }
        if self.ledger.listed(&self.ownership, &entry.id, entry.revision_number) == Known::Unknown
            && let Some(entry) = self.entries.entry(&entry.id).await?
        {
            self.take(&entry, None);
        }
        Ok(())
    }

    /// Takes up an entry that the server told of; what that changes is due.
    fn take(&mut self, entry: &types::Entry, sent: Option<Print>) -> EntryKey {
        let Taken { key, moved, surplus } = self.ledger.take(&self.ownership, entry, sent);
        self.surplus.extend(surplus);
        self.due.extend(moved);
        if sent.is_none() {
            self.due.insert(key);
        }
        key
    }

    /// Whether nothing is to be done now.
    pub(crate) fn is_idle(&self) -> bool {
        self.due.is_empty() && self.surplus.is_empty()
    }

    /// How long to wait before the next step; `None` when there is nothing that becomes due by itself.
    pub(crate) fn pause(&self) -> Option<Duration> {
        let now = self.clock.monotonic();
        let outage = self.outage.until.saturating_sub(now);
        if !self.is_idle() {
            return Some(outage);
        }
        let later = self.later.keys().next().map(|due| due.saturating_sub(now));
        later.map(|later| later.max(outage))
    }

    /// Does a bounded part of what is due. Does nothing while the server is left alone after an outage.
    pub(crate) async fn step(&mut self, wanted: &impl Wanted) -> Step {
        let now = self.clock.monotonic();
        let waiting = self.later.split_off(&(now + Duration::from_nanos(1)));
        let ripe = std::mem::replace(&mut self.later, waiting);
        self.due.extend(ripe.into_values().flatten());
        if self.outage.until > now {
            return Step::default();
        }
        let mut batch = Batch { surplus: pop_some(&mut self.surplus), ..Batch::default() };
        while !batch.is_full() {
            let Some(key) = self.due.pop_first() else { break };
            match self.act(&key, wanted) {
                Act::Create(entry) => batch.created.push((key, entry)),
                Act::Update(entry) => batch.updated.push((key, entry)),
                Act::Delete(id) => batch.deleted.push((key, id)),
                Act::Nothing => self.succeeded(&key),
                Act::Refuse(reason) => self.refused(key, reason),
            }
        }
        let mut step = Step::default();
        match self.carry_out(batch, &mut step).await {
            Ok(()) => self.outage = Outage::none(),
            Err(status) => self.outage_goes_on(&status),
        }
        step
    }

    /// What is to be done for a key.
    pub(crate) fn act(&self, key: &EntryKey, wanted: &impl Wanted) -> Act {
        let want = wanted.wanted(key);
        match (want, self.ledger.find(key)) {
            (Some(entry), Found::Nothing) => Act::Create(types::Entry { id: self.ownership.id_of(key), ..entry }),
            (Some(entry), Found::Own { print, .. } | Found::Unclear { print, .. } | Found::Foreign { print, .. })
                if print == print_of(&entry) =>
            {
                Act::Nothing
            }
            (Some(entry), Found::Own { id, .. } | Found::Unclear { id, .. }) => {
                Act::Update(types::Entry { id: id.into_string(), ..entry })
            }
            (Some(_), Found::Foreign { id, .. }) => Act::Refuse(format!(
                "the entry {id}, made by somebody else, has the same SPIFFE ID, parent and selectors and says other things; \
                 delete it, or make it the same"
            )),
            (None, Found::Own { id, .. }) => Act::Delete(id.into_string()),
            (None, Found::Nothing | Found::Unclear { .. } | Found::Foreign { .. }) => Act::Nothing,
        }
    }

    /// Why the server has refused the entry of a key.
    pub(crate) fn failure(&self, key: &EntryKey) -> Option<&str> {
        self.failures.get(key).map(|failure| failure.reason.as_str())
    }

    /// Whether the server has an entry for a key, as far as is known.
    pub(crate) fn has(&self, key: &EntryKey) -> bool {
        self.ledger.find(key) != Found::Nothing
    }

    /// Why the server can't be asked, if it can't.
    pub(crate) fn outage(&self) -> Option<&str> {
        self.outage.reason.as_deref()
    }

    /// Keys of which something has become known since the last call.
    pub(crate) fn take_touched(&mut self) -> BTreeSet<EntryKey> {
        std::mem::take(&mut self.touched)
    }

    /// Keys of all own entries.
    pub(crate) fn held_keys(&self) -> impl Iterator<Item = EntryKey> + '_ {
        self.ledger.held_keys()
    }

    /// How many entries are own ones, how many wait to be looked at, and how many the server refuses.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        (self.ledger.held_count(), self.due.len() + self.surplus.len(), self.failures.len())
    }

    async fn carry_out(&mut self, batch: Batch, step: &mut Step) -> Result<(), Status> {
        // Whatever was not confirmed is due again.
        let keys = |acts: &[(EntryKey, types::Entry)]| acts.iter().map(|(key, _)| *key).collect::<Vec<_>>();
        self.due.extend(keys(&batch.created));
        self.due.extend(keys(&batch.updated));
        self.due.extend(batch.deleted.iter().map(|(key, _)| *key));
        self.surplus.extend(batch.surplus.iter().cloned());
        self.create(batch.created, step).await?;
        self.update(batch.updated, step).await?;
        self.delete(batch.deleted, batch.surplus, step).await
    }

    async fn create(&mut self, acts: Vec<(EntryKey, types::Entry)>, step: &mut Step) -> Result<(), Status> {
        if acts.is_empty() {
            return Ok(());
        }
        let entries = acts.iter().map(|(_, entry)| entry.clone()).collect();
        let results = self.entries.create(entries).await?;
        for ((key, sent), Written { code, message, entry }) in acts.into_iter().zip(results) {
            self.due.remove(&key);
            match (code, entry) {
                (Code::Ok, entry) => {
                    info!(entry_id = sent.id, spiffe_id = id_text(&sent), "Created entry");
                    step.created += 1;
                    let entry = types::Entry { revision_number: entry.map_or(0, |e| e.revision_number), ..sent };
                    self.take(&entry, Some(print_of(&entry)));
                    self.succeeded(&key);
                }
                // Made before and not confirmed, or by somebody else.
                (Code::AlreadyExists, Some(entry)) if EntryKey::of(&entry) == key => {
                    self.take(&entry, None);
                }
                (_, _) => self.failed(key, "create", &sent, &message, step),
            }
        }
        Ok(())
    }

    async fn update(&mut self, acts: Vec<(EntryKey, types::Entry)>, step: &mut Step) -> Result<(), Status> {
        if acts.is_empty() {
            return Ok(());
        }
        let entries = acts.iter().map(|(_, entry)| entry.clone()).collect();
        let results = self.entries.update(entries).await?;
        for ((key, sent), Written { code, message, entry }) in acts.into_iter().zip(results) {
            self.due.remove(&key);
            match code {
                Code::Ok => {
                    info!(entry_id = sent.id, spiffe_id = id_text(&sent), "Updated entry");
                    step.updated += 1;
                    let entry = types::Entry { revision_number: entry.map_or(0, |e| e.revision_number), ..sent };
                    self.take(&entry, Some(print_of(&entry)));
                    self.succeeded(&key);
                }
                Code::NotFound => {
                    self.ledger.forget(&key);
                    self.due.insert(key);
                }
                _ => self.failed(key, "update", &sent, &message, step),
            }
        }
        Ok(())
    }

    async fn delete(
        &mut self,
        acts: Vec<(EntryKey, String)>,
        surplus: Vec<String>,
        step: &mut Step,
    ) -> Result<(), Status> {
        if acts.is_empty() && surplus.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = acts.iter().map(|(_, id)| id.clone()).chain(surplus.iter().cloned()).collect();
        let results = self.entries.delete(ids).await?;
        let keys = acts.into_iter().map(|(key, id)| (Some(key), id)).chain(surplus.into_iter().map(|id| (None, id)));
        for ((key, id), Written { code, message, .. }) in keys.zip(results) {
            if let Some(key) = &key {
                self.due.remove(key);
            }
            self.surplus.remove(&id);
            match (code, key) {
                (Code::Ok | Code::NotFound, key) => {
                    info!(entry_id = id, "Deleted entry");
                    step.deleted += 1;
                    if let Some(key) = &key {
                        self.ledger.forget(key);
                        self.succeeded(key);
                    }
                }
                (_, Some(key)) => {
                    self.failed(key, "delete", &types::Entry { id, ..Default::default() }, &message, step);
                }
                // The next comparison finds it again.
                (_, None) => warn!(entry_id = id, error = message, "Failed to delete entry"),
            }
        }
        Ok(())
    }

    fn succeeded(&mut self, key: &EntryKey) {
        self.failures.remove(key);
        self.touched.insert(*key);
    }

    fn refused(&mut self, key: EntryKey, reason: String) {
        let backoff = Backoff::new(FIRST_PAUSE, 2.0, LONGEST_PAUSE);
        self.failures.insert(key, Failure { reason, backoff });
        self.touched.insert(key);
    }

    fn failed(&mut self, key: EntryKey, what: &str, entry: &types::Entry, message: &str, step: &mut Step) {
        warn!(entry_id = entry.id, spiffe_id = id_text(entry), error = message, "Failed to {what} entry");
        step.failed += 1;
        let new = || Failure { reason: String::new(), backoff: Backoff::new(FIRST_PAUSE, 2.0, LONGEST_PAUSE) };
        let failure = self.failures.entry(key).or_insert_with(new);
        message.clone_into(&mut failure.reason);
        let pause = failure.backoff.pause(0.5);
        self.later.entry(self.clock.monotonic() + pause).or_default().push(key);
        self.touched.insert(key);
    }

    fn outage_goes_on(&mut self, status: &Status) {
        let reason = describe(status);
        if self.outage.reason.as_ref() != Some(&reason) {
            warn!(error = reason, "The server can't be asked; entries stay as they are");
        }
        self.outage.until = self.clock.monotonic() + self.outage.backoff.pause(0.5);
        self.outage.reason = Some(reason);
    }
}

impl Outage {
    fn none() -> Self {
        let backoff = Backoff::new(FIRST_PAUSE, 2.0, LONGEST_OUTAGE_PAUSE);
        Self { backoff, until: Duration::ZERO, reason: None }
    }
}

#[derive(Default)]
struct Batch {
    created: Vec<(EntryKey, types::Entry)>,
    updated: Vec<(EntryKey, types::Entry)>,
    deleted: Vec<(EntryKey, String)>,
    surplus: Vec<String>,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.created.len() >= WRITES
            || self.updated.len() >= WRITES
            || self.deleted.len() + self.surplus.len() >= DELETIONS
    }
}

/// Takes a bounded part of a set.
fn pop_some(set: &mut BTreeSet<String>) -> Vec<String> {
    std::iter::from_fn(|| set.pop_first()).take(DELETIONS / 2).collect()
}

fn id_text(entry: &types::Entry) -> String {
    entry.spiffe_id.as_ref().map(|id| format!("spiffe://{}{}", id.trust_domain, id.path)).unwrap_or_default()
}
