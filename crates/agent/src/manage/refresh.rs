//! What the server is asked for over and over: entries, bundles, SVIDs.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;

use steeple_client::with_causes;
use steeple_proto::spire::api::server::agent::v1 as pb;
use steeple_proto::spire::api::server::agent::v1::agent_client::AgentClient;
use steeple_types::{Bundle, Entry};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tracing::debug;

use super::Manager;
use crate::join::denial_reason;
use crate::server::CALL_DEADLINE;
use crate::svid;
use crate::sync::{Entries, fetch_bundles, fetch_entries};

impl Manager {
    /// Fetches entries and bundles, and takes both over at once.
    pub(super) async fn synchronise(&mut self) -> Result<(), Status> {
        let began = self.core.clock.monotonic();
        let outcome = self.fetch().await;
        let elapsed = self.core.clock.monotonic().saturating_sub(began);
        self.core.metrics.call("manager_sync_fetch_entries_updates", code_of(&outcome), elapsed);
        self.core.measures.synchronised(outcome.is_ok(), elapsed);
        outcome
    }

    async fn fetch(&mut self) -> Result<(), Status> {
        let channel = self.core.server.channel().map_err(Status::unavailable)?;
        if !self.version_posted {
            self.post_version(channel.clone()).await?;
            self.version_posted = true;
        }
        let core = Arc::clone(&self.core);
        let known = if self.begun_anew { Entries::new() } else { core.cache.snapshot().entries() };
        let entries = self.in_time(fetch_entries(channel.clone(), &known)).await?;
        let federated: BTreeSet<_> = entries.values().flat_map(|entry| entry.federates_with.iter().cloned()).collect();
        let bundles = self.in_time(fetch_bundles(channel, federated)).await?;
        let own = bundles.get(&core.settings.trust_domain);
        let own = own.ok_or_else(|| Status::internal("the server's bundle is of another trust domain"))?;
        self.hear_taints(own);
        self.follow(own)?;
        self.count_changes(&known, &entries);
        core.metrics.gauge("sync_entries_total", &[], figure(entries.len()));
        core.metrics.gauge("sync_bundles_total", &[], figure(bundles.len()));
        if std::mem::take(&mut self.begun_anew) {
            core.cache.begin_anew(&entries, bundles);
            core.tokens.clear();
        } else {
            core.cache.take_over(&entries, bundles);
            core.tokens.keep_only(&entries.values().map(|entry| &entry.spiffe_id).collect());
        }
        Ok(())
    }

    /// Tells of entries that are new, have changed or are gone, and counts them.
    fn count_changes(&self, known: &Entries, entries: &Entries) {
        let (mut added, mut updated, mut dropped, mut missing, mut stale) = (0, 0, 0, 0, 0);
        for (id, entry) in entries {
            let old = known.get(id).map(Arc::as_ref);
            match old {
                None => missing += 1,
                Some(old) if is_stale(old, entry) => stale += 1,
                Some(_) => {}
            }
            if tell_change(id, old, entry) {
                *if old.is_none() { &mut added } else { &mut updated } += 1;
            }
        }
        for (id, entry) in known.iter().filter(|(id, _)| !entries.contains_key(*id)) {
            debug!(entry = %id, spiffe_id = %entry.spiffe_id, subsystem_name = "cache_manager", "Entry removed");
            dropped += 1;
        }
        let metrics = &self.core.metrics;
        for (key, count) in [("add", added), ("update", updated), ("remove", dropped)] {
            metrics.add(&format!("lru_cache_entry_{key}"), &[], count);
        }
        for (key, count) in [("missing", missing), ("stale", stale), ("dropped", dropped)] {
            metrics.gauge(&format!("sync_entries_{key}"), &[], figure(count));
        }
    }

    /// Tells the server the agent's version, once.
    async fn post_version(&self, channel: Channel) -> Result<(), Status> {
        let version = self.core.settings.version.clone();
        let request = pb::PostStatusRequest { agent_version: version, ..Default::default() };
        let mut client = AgentClient::new(channel);
        match self.in_time(async { client.post_status(request).await }).await {
            // Servers before 1.14 don't know the call, and refuse what they don't know.
            Err(status) if denial_reason(&status).is_none() && status.code() != Code::Unavailable => {
                debug!(error = with_causes(&status), subsystem_name = "manager", "Server took no agent version");
                Ok(())
            }
            other => other.map(|_| ()),
        }
    }

    /// Believes the own bundle as the server tells it now, and remembers it.
    fn follow(&mut self, own: &Bundle) -> Result<(), Status> {
        if own.x509_authorities.is_empty() {
            return Err(Status::internal("the server's bundle holds no X.509 authority"));
        }
        if *self.core.tls.bundle.read() != *own {
            *self.core.tls.bundle.write() = own.clone();
            debug!(subsystem_name = "cache_manager", trust_domain_id = own.trust_domain.name(), "Bundle updated");
        }
        self.trusted().map_err(|error| Status::internal(error.to_string()))
    }

    /// Fetches the SVIDs that are missing, out of date, or past half of their life.
    pub(super) async fn renew_svids(&mut self) -> Result<(), Status> {
        let core = Arc::clone(&self.core);
        let (began, now) = (core.clock.monotonic(), core.clock.now());
        let how = svid::Renewal { key_type: core.settings.workload_key_type, rotation: core.settings.rotation() };
        let mut batch = self.batch;
        let outcome = match core.server.channel() {
            Ok(channel) => {
                self.in_time(svid::renew_svids(&channel, &core.cache, &core.metrics, how, now, &mut batch)).await
            }
            Err(reason) => Err(Status::unavailable(reason)),
        };
        self.batch = batch;
        let elapsed = core.clock.monotonic().saturating_sub(began);
        core.metrics.call("manager_sync_fetch_svids_updates", code_of(&outcome), elapsed);
        let snapshot = core.cache.snapshot();
        core.metrics.gauge("lru_cache_record_map_size", &[], figure(snapshot.identities.len()));
        core.metrics.gauge("lru_cache_svid_map_size", &[], figure(snapshot.svid_count()));
        core.metrics.gauge("jwt_svid_cache_size", &[], figure(core.tokens.len()));
        outcome
    }

    async fn in_time<T>(&self, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        let answer = self.core.clock.timeout(CALL_DEADLINE, call).await;
        answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("server did not answer in time")))
    }
}

/// Whether an entry is another one than before, as its revision tells.
fn is_stale(old: &Entry, new: &Entry) -> bool {
    (old.revision_number, old.created_at) != (new.revision_number, new.created_at)
}

/// Tells of a new entry, and of one with other selectors or federated trust domains than before; whether there was something to
/// tell.
fn tell_change(id: &impl Display, old: Option<&Entry>, new: &Entry) -> bool {
    let selectors_added =
        new.selectors.iter().filter(|one| !old.is_some_and(|old| old.selectors.contains(one))).count();
    let selectors_removed =
        old.map_or(0, |old| old.selectors.iter().filter(|one| !new.selectors.contains(one)).count());
    let federated_added =
        new.federates_with.iter().filter(|one| !old.is_some_and(|old| old.federates_with.contains(one))).count();
    let federated_removed =
        old.map_or(0, |old| old.federates_with.iter().filter(|one| !new.federates_with.contains(one)).count());
    if [selectors_added, selectors_removed, federated_added, federated_removed] == [0; 4] {
        return false;
    }
    let some = |count: usize| (count > 0).then_some(count);
    debug!(
        entry = %id,
        fed_add = some(federated_added),
        fed_rem = some(federated_removed),
        selectors_added = some(selectors_added),
        selectors_removed = some(selectors_removed),
        spiffe_id = %new.spiffe_id,
        subsystem_name = "cache_manager",
        "{}",
        if old.is_some() { "Entry updated" } else { "Entry created" }
    );
    true
}

fn code_of<T>(outcome: &Result<T, Status>) -> &'static str {
    steeple_client::code_of(outcome.as_ref().err().map_or(Code::Ok, Status::code))
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn figure(count: usize) -> f64 {
    count as f64
}
