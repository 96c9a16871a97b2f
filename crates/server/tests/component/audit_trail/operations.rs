//! Operations of every kind, at random but the same for the same seed; some of them come to nothing.

use std::collections::BTreeMap;

use steeple_net::Answers;
use steeple_proto::spire::api::server as pb;
use steeple_proto::spire::api::types;

use crate::bench::{Calls, attest_request, csr, entry, spiffe_id};

/// What was done, so far as the server said yes.
pub(super) struct Operations {
    random: u64,
    entries: Vec<String>,
    agents: Vec<types::Spiffeid>,
    done: BTreeMap<&'static str, usize>,
}

impl Operations {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: seed, entries: Vec::new(), agents: Vec::new(), done: BTreeMap::new() }
    }

    /// How often the server said yes to what leaves which event.
    pub(super) fn done(&self) -> BTreeMap<&'static str, usize> {
        self.done.clone()
    }

    /// A number below `limit` (splitmix64).
    fn below(&mut self, limit: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    fn count(&mut self, event: &'static str) {
        *self.done.entry(event).or_default() += 1;
    }

    /// One of those that there are, or were.
    fn pick<T: Clone>(&mut self, all: impl Fn(&Self) -> &[T]) -> Option<T> {
        let length = u64::try_from(all(self).len()).unwrap();
        if length == 0 {
            return None;
        }
        let at = usize::try_from(self.below(length)).unwrap();
        all(self).get(at).cloned()
    }

    /// Does one thing.
    pub(super) async fn one<A: Answers, B: Answers>(&mut self, calls: &Calls<A>, remote: &Calls<B>) {
        match self.below(20) {
            0..=6 => self.create(calls).await,
            7..=11 => self.update(calls).await,
            12..=13 => self.delete(calls).await,
            14..=16 => self.attest(calls, remote).await,
            17 => self.ban(calls).await,
            18 => self.evict(calls).await,
            _ => self.rotate(calls).await,
        }
    }

    fn entry(&mut self) -> types::Entry {
        let (path, parent) = (format!("/w{}", self.below(400)), format!("/n{}", self.below(3)));
        let mut entry = entry(&spiffe_id(&parent), &path);
        entry.x509_svid_ttl = i32::try_from(self.below(100)).unwrap();
        entry.jwt_svid_ttl = i32::try_from(self.below(100)).unwrap();
        (entry.admin, entry.downstream, entry.store_svid) = (self.flag(), self.flag(), self.flag());
        entry.expires_at = if self.flag() { 4_000_000_000 } else { 0 };
        entry.hint = if self.flag() { "a \"hint\" with ünïcode".to_owned() } else { String::new() };
        entry.dns_names = (0..self.below(3)).map(|number| format!("d{number}.example.org")).collect();
        entry
    }

    async fn create<A: Answers>(&mut self, calls: &Calls<A>) {
        let request = pb::entry::v1::BatchCreateEntryRequest { entries: vec![self.entry()], output_mask: None };
        let result = calls.entry().batch_create_entry(request).await.unwrap().into_inner().results.remove(0);
        if result.status.unwrap().code == 0 {
            self.entries.push(result.entry.unwrap().id);
            self.count("entry_created");
        }
    }

    async fn update<A: Answers>(&mut self, calls: &Calls<A>) {
        let Some(id) = self.pick(|all| &all.entries) else { return };
        let entry = types::Entry { id, ..self.entry() };
        let mask = types::EntryMask {
            selectors: self.flag(),
            x509_svid_ttl: self.flag(),
            jwt_svid_ttl: self.flag(),
            admin: self.flag(),
            downstream: self.flag(),
            expires_at: self.flag(),
            dns_names: self.flag(),
            hint: self.flag(),
            ..types::EntryMask::default()
        };
        let input_mask = self.flag().then_some(mask);
        let request = pb::entry::v1::BatchUpdateEntryRequest { entries: vec![entry], input_mask, output_mask: None };
        let result = calls.entry().batch_update_entry(request).await.unwrap().into_inner().results.remove(0);
        if result.status.unwrap().code == 0 {
            self.count("entry_updated");
        }
    }

    async fn delete<A: Answers>(&mut self, calls: &Calls<A>) {
        let Some(id) = self.pick(|all| &all.entries) else { return };
        let request = pb::entry::v1::BatchDeleteEntryRequest { ids: vec![id] };
        let result = calls.entry().batch_delete_entry(request).await.unwrap().into_inner().results.remove(0);
        if result.status.unwrap().code == 0 {
            self.count("entry_deleted");
        }
    }

    async fn attest<A: Answers, B: Answers>(&mut self, calls: &Calls<A>, remote: &Calls<B>) {
        use pb::agent::v1::attest_agent_response::Step;
        let request = pb::agent::v1::CreateJoinTokenRequest { ttl: 60, ..Default::default() };
        let token = calls.agent().create_join_token(request).await.unwrap().into_inner().value;
        self.count("join_token_created");
        let request = tokio_stream::iter([attest_request("join_token", token.as_bytes(), csr(&[]))]);
        let answer = remote.agent().attest_agent(request).await.unwrap().into_inner().message().await.unwrap();
        let Some(Step::Result(result)) = answer.unwrap().step else { return };
        self.agents.push(result.svid.unwrap().id.unwrap());
        self.count("agent_attested");
    }

    async fn ban<A: Answers>(&mut self, calls: &Calls<A>) {
        let Some(id) = self.pick(|all| &all.agents) else { return };
        if calls.agent().ban_agent(pb::agent::v1::BanAgentRequest { id: Some(id) }).await.is_ok() {
            self.count("agent_banned");
        }
    }

    async fn evict<A: Answers>(&mut self, calls: &Calls<A>) {
        let Some(id) = self.pick(|all| &all.agents) else { return };
        if calls.agent().delete_agent(pb::agent::v1::DeleteAgentRequest { id: Some(id) }).await.is_ok() {
            self.count("agent_deleted");
        }
    }

    /// The old authority is tainted and revoked, so that there are never more than a few.
    async fn rotate<A: Answers>(&mut self, calls: &Calls<A>) {
        use pb::localauthority::v1 as local;
        let mut service = calls.local_authority();
        let prepared = service.prepare_x509_authority(local::PrepareX509AuthorityRequest {}).await.unwrap();
        let authority_id = prepared.into_inner().prepared_authority.unwrap().authority_id;
        service.activate_x509_authority(local::ActivateX509AuthorityRequest { authority_id }).await.unwrap();
        let state = service.get_x509_authority_state(local::GetX509AuthorityStateRequest {}).await.unwrap();
        let authority_id = state.into_inner().old.unwrap().authority_id;
        if self.flag() {
            let request = local::TaintX509AuthorityRequest { authority_id: authority_id.clone() };
            service.taint_x509_authority(request).await.unwrap();
            self.count("authority_tainted");
            if self.flag() {
                service.revoke_x509_authority(local::RevokeX509AuthorityRequest { authority_id }).await.unwrap();
                self.count("authority_revoked");
            }
        }
    }
}
