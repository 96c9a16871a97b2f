//! Makes the server's federation relationships what ClusterFederatedTrustDomains say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use steeple_client::describe;
use steeple_clock::Clock;
use steeple_proto::spire::api::server::trustdomain::v1 as pb;
use steeple_proto::spire::api::server::trustdomain::v1::trust_domain_client::TrustDomainClient;
use steeple_proto::spire::api::types;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tracing::{info, warn};

use crate::record::{Record, RecordError};

/// Relationships in one call that creates or updates.
const WRITES: usize = 50;
/// Relationships in one page of a list.
const PAGE: i32 = 200;
/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(30);

/// Why relationships are not what is wanted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FederationError {
    #[error("{}", describe(.0))]
    Server(#[from] Status),
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// The federation relationships of a server.
pub(crate) struct Federation {
    client: TrustDomainClient<Channel>,
    clock: Clock,
    record: Record,
    /// Why a relationship is not as it is wanted, by trust domain.
    failures: BTreeMap<String, String>,
    /// Bundles as they were sent.
    sent: BTreeMap<String, Option<types::Bundle>>,
    set: BTreeSet<String>,
}

impl Federation {
    pub(crate) fn new(channel: Channel, clock: Clock, record: Record, max_answer: usize) -> Self {
        let client = TrustDomainClient::new(channel).max_decoding_message_size(max_answer);
        Self { client, clock, record, failures: BTreeMap::new(), sent: BTreeMap::new(), set: BTreeSet::new() }
    }

    /// Why the relationship with a trust domain is not as it is wanted.
    pub(crate) fn failure(&self, trust_domain: &str) -> Option<&str> {
        self.failures.get(trust_domain).map(String::as_str)
    }

    /// Whether the server has the relationship.
    pub(crate) fn has(&self, trust_domain: &str) -> bool {
        self.set.contains(trust_domain)
    }

    /// Makes the relationships so. Those of others stay: one that says the same is taken over, one that says something else
    /// is a conflict.
    pub(crate) async fn settle(&mut self, wanted: &[types::FederationRelationship]) -> Result<(), FederationError> {
        let current = self.list().await?;
        let mut own = self.record.read().await?;
        let (mut created, mut updated) = (Vec::new(), Vec::new());
        self.failures.clear();
        for want in wanted {
            let name = &want.trust_domain;
            match current.get(name) {
                None => created.push(want.clone()),
                Some(has) if is_same(has, want) && !self.has_new_bundle(want) => {}
                Some(_) if own.contains(name) => updated.push(want.clone()),
                Some(has) if is_same(has, want) => {}
                Some(_) => {
                    let reason = "the server has a relationship with this trust domain which somebody else has made, and \
                                  which says other things; delete it, or make it the same";
                    self.failures.insert(name.clone(), reason.to_owned());
                    continue;
                }
            }
            own.insert(name.clone());
        }
        let names: BTreeSet<&String> = wanted.iter().map(|want| &want.trust_domain).collect();
        let over: Vec<String> = own.iter().filter(|name| !names.contains(name)).cloned().collect();
        // What is to be made is written down first: what was made is known as own whatever happens then.
        self.record.write(&own).await?;
        self.set = current.keys().cloned().collect();
        self.create(created).await?;
        self.update(updated).await?;
        self.delete(over.iter().filter(|name| current.contains_key(*name)).cloned().collect()).await?;
        own.retain(|name| names.contains(name) || self.set.contains(name));
        Ok(self.record.write(&own).await?)
    }

    fn has_new_bundle(&self, want: &types::FederationRelationship) -> bool {
        self.sent.get(&want.trust_domain).is_some_and(|sent| *sent != want.trust_domain_bundle)
    }

    async fn list(&mut self) -> Result<BTreeMap<String, types::FederationRelationship>, Status> {
        let mask = types::FederationRelationshipMask {
            bundle_endpoint_url: true,
            bundle_endpoint_profile: true,
            trust_domain_bundle: false,
        };
        let (mut all, mut token) = (BTreeMap::new(), String::new());
        loop {
            let request =
                pb::ListFederationRelationshipsRequest { output_mask: Some(mask), page_size: PAGE, page_token: token };
            let page = self.clock.timeout(DEADLINE, self.client.list_federation_relationships(request)).await;
            let page = page.map_err(|_| late())??.into_inner();
            all.extend(page.federation_relationships.into_iter().map(|has| (has.trust_domain.clone(), has)));
            if page.next_page_token.is_empty() {
                return Ok(all);
            }
            token = page.next_page_token;
        }
    }

    async fn create(&mut self, wanted: Vec<types::FederationRelationship>) -> Result<(), Status> {
        for batch in wanted.chunks(WRITES) {
            let request = pb::BatchCreateFederationRelationshipRequest {
                federation_relationships: batch.to_vec(),
                output_mask: None,
            };
            let answer = self.clock.timeout(DEADLINE, self.client.batch_create_federation_relationship(request)).await;
            let results = answer.map_err(|_| late())??.into_inner().results;
            self.written("Created", batch, results.into_iter().map(|result| result.status.unwrap_or_default()));
        }
        Ok(())
    }

    async fn update(&mut self, wanted: Vec<types::FederationRelationship>) -> Result<(), Status> {
        for batch in wanted.chunks(WRITES) {
            let request = pb::BatchUpdateFederationRelationshipRequest {
                federation_relationships: batch.to_vec(),
                input_mask: None,
                output_mask: None,
            };
            let answer = self.clock.timeout(DEADLINE, self.client.batch_update_federation_relationship(request)).await;
            let results = answer.map_err(|_| late())??.into_inner().results;
            self.written("Updated", batch, results.into_iter().map(|result| result.status.unwrap_or_default()));
        }
        Ok(())
    }

    fn written(
        &mut self,
        what: &str,
        batch: &[types::FederationRelationship],
        results: impl Iterator<Item = types::Status>,
    ) {
        for (want, status) in batch.iter().zip(results) {
            let name = want.trust_domain.clone();
            if Code::from_i32(status.code) == Code::Ok {
                info!(trust_domain = name, "{what} federation relationship");
                self.sent.insert(name.clone(), want.trust_domain_bundle.clone());
                self.set.insert(name);
            } else {
                warn!(trust_domain = name, error = status.message, "Unable to write a federation relationship");
                self.failures.insert(name, status.message);
            }
        }
    }

    async fn delete(&mut self, names: Vec<String>) -> Result<(), Status> {
        for batch in names.chunks(WRITES) {
            let request = pb::BatchDeleteFederationRelationshipRequest { trust_domains: batch.to_vec() };
            let answer = self.clock.timeout(DEADLINE, self.client.batch_delete_federation_relationship(request)).await;
            let results = answer.map_err(|_| late())??.into_inner().results;
            for (name, status) in batch.iter().zip(results.into_iter().map(|result| result.status.unwrap_or_default()))
            {
                if matches!(Code::from_i32(status.code), Code::Ok | Code::NotFound) {
                    info!(trust_domain = name, "Deleted federation relationship");
                    self.set.remove(name);
                } else {
                    warn!(trust_domain = name, error = status.message, "Unable to delete a federation relationship");
                }
            }
        }
        Ok(())
    }
}

/// Whether two relationships say the same. Bundles do not count: the server fetches newer ones.
fn is_same(one: &types::FederationRelationship, two: &types::FederationRelationship) -> bool {
    one.bundle_endpoint_url == two.bundle_endpoint_url && one.bundle_endpoint_profile == two.bundle_endpoint_profile
}

fn late() -> Status {
    Status::deadline_exceeded(format!("no answer within {} s", DEADLINE.as_secs()))
}
