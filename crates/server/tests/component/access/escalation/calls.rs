//! The calls of the attempts.

use steeple_crypto::keys::{KeyType, PrivateKey};
use steeple_crypto::x509::{Name, self_signed_csr};
use steeple_proto::spire::api::server as pb;
use steeple_proto::spire::api::types;
use steeple_proto::spire::api::types::federation_relationship::BundleEndpointProfile;
use steeple_proto::steeple::server::access::v1 as access;
use tonic::{Response, Status};

use crate::access::item;
use crate::bench::Calls;

/// A call whose last item, if it is a batch, is the one that counts.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Create(Vec<types::Entry>),
    Update(Box<types::Entry>, Option<types::EntryMask>),
    Delete(String),
    Get(String),
    MintX509 { uri: String, ttl: i32, dns: Vec<String> },
    MintJwt { path: &'static str, ttl: i32 },
    JoinToken { token: &'static str, agent: Option<&'static str> },
    Ban(types::Spiffeid),
    Evict(types::Spiffeid),
    SetBundle(&'static str),
    DeleteBundle(&'static str, pb::bundle::v1::batch_delete_federated_bundle_request::Mode),
    Relationship(&'static str),
    AppendBundle,
    Prepare,
    Taint,
    Revoke,
    LogLevel,
    Info,
    Renew,
    DownstreamCa,
    Grant(Box<access::Binding>),
}

fn done<T>(answer: Result<Response<T>, Status>) -> Result<(), Status> {
    answer.map(|_| ())
}

pub(super) async fn make<A: steeple_net::Answers>(calls: &Calls<A>, call: &Call) -> Result<(), Status> {
    match call.clone() {
        Call::Create(entries) => {
            let request = pb::entry::v1::BatchCreateEntryRequest { entries, output_mask: None };
            let results = calls.entry().batch_create_entry(request).await?.into_inner().results;
            item(results.last().and_then(|result| result.status.clone()))
        }
        Call::Update(entry, input_mask) => {
            let request =
                pb::entry::v1::BatchUpdateEntryRequest { entries: vec![*entry], input_mask, output_mask: None };
            let results = calls.entry().batch_update_entry(request).await?.into_inner().results;
            item(results.last().and_then(|result| result.status.clone()))
        }
        Call::Delete(id) => {
            let request = pb::entry::v1::BatchDeleteEntryRequest { ids: vec![id] };
            let results = calls.entry().batch_delete_entry(request).await?.into_inner().results;
            item(results.last().and_then(|result| result.status.clone()))
        }
        Call::Get(id) => done(calls.entry().get_entry(pb::entry::v1::GetEntryRequest { id, output_mask: None }).await),
        Call::Ban(id) => done(calls.agent().ban_agent(pb::agent::v1::BanAgentRequest { id: Some(id) }).await),
        Call::Evict(id) => done(calls.agent().delete_agent(pb::agent::v1::DeleteAgentRequest { id: Some(id) }).await),
        Call::JoinToken { token, agent } => {
            let agent_id = agent.map(crate::bench::spiffe_id);
            let request = pb::agent::v1::CreateJoinTokenRequest { ttl: 60, token: token.to_owned(), agent_id };
            done(calls.agent().create_join_token(request).await)
        }
        Call::Renew => done(calls.agent().renew_agent(pb::agent::v1::RenewAgentRequest::default()).await),
        Call::Grant(binding) => {
            let request = access::CreateBindingRequest { binding: Some(*binding) };
            done(calls.access().create_binding(request).await)
        }
        Call::Prepare | Call::Taint | Call::Revoke => authority(calls, call).await,
        Call::LogLevel => {
            let request = pb::logger::v1::SetLogLevelRequest { new_level: types::LogLevel::Trace.into() };
            done(calls.logger().set_log_level(request).await)
        }
        Call::Info => done(calls.debug().get_info(pb::debug::v1::GetInfoRequest {}).await),
        Call::MintX509 { .. } | Call::MintJwt { .. } | Call::DownstreamCa => mint(calls, call).await,
        Call::SetBundle(_) | Call::DeleteBundle(..) | Call::Relationship(_) | Call::AppendBundle => {
            federation(calls, call).await
        }
    }
}

async fn mint<A: steeple_net::Answers>(calls: &Calls<A>, call: &Call) -> Result<(), Status> {
    match call.clone() {
        Call::MintX509 { uri, ttl, dns } => {
            let key = PrivateKey::generate(KeyType::EcP256).unwrap();
            let csr = self_signed_csr(&key, &Name::default(), &[uri], &dns).unwrap();
            done(calls.svid().mint_x509svid(pb::svid::v1::MintX509svidRequest { csr, ttl }).await)
        }
        Call::MintJwt { path, ttl } => {
            let id = Some(crate::bench::spiffe_id(path));
            let audience = vec!["x".to_owned()];
            done(calls.svid().mint_jwtsvid(pb::svid::v1::MintJwtsvidRequest { id, audience, ttl }).await)
        }
        _ => {
            let request = pb::svid::v1::NewDownstreamX509caRequest { csr: crate::bench::csr(&[]), preferred_ttl: 0 };
            done(calls.svid().new_downstream_x509ca(request).await)
        }
    }
}

async fn authority<A: steeple_net::Answers>(calls: &Calls<A>, call: &Call) -> Result<(), Status> {
    let mut authority = calls.local_authority();
    let authority_id = "a".to_owned();
    match call {
        Call::Prepare => {
            done(authority.prepare_x509_authority(pb::localauthority::v1::PrepareX509AuthorityRequest {}).await)
        }
        Call::Taint => {
            let request = pb::localauthority::v1::TaintX509AuthorityRequest { authority_id };
            done(authority.taint_x509_authority(request).await)
        }
        _ => {
            let request = pb::localauthority::v1::RevokeX509AuthorityRequest { authority_id };
            done(authority.revoke_x509_authority(request).await)
        }
    }
}

async fn federation<A: steeple_net::Answers>(calls: &Calls<A>, call: &Call) -> Result<(), Status> {
    let (mut bundles, mut trust_domains) = (calls.bundle(), calls.trust_domain());
    match call.clone() {
        Call::SetBundle(name) => {
            let bundle = types::Bundle { trust_domain: name.to_owned(), ..types::Bundle::default() };
            let request = pb::bundle::v1::BatchSetFederatedBundleRequest { bundle: vec![bundle], output_mask: None };
            let results = bundles.batch_set_federated_bundle(request).await?.into_inner().results;
            item(results.last().and_then(|result| result.status.clone()))
        }
        Call::DeleteBundle(name, mode) => {
            let trust_domains = vec![name.to_owned()];
            let request = pb::bundle::v1::BatchDeleteFederatedBundleRequest { trust_domains, mode: mode.into() };
            let results = bundles.batch_delete_federated_bundle(request).await?.into_inner().results;
            item(results.last().and_then(|result| result.status.clone()))
        }
        Call::Relationship(name) => {
            let relationship = types::FederationRelationship {
                trust_domain: name.to_owned(),
                bundle_endpoint_url: "https://bundle.example".to_owned(),
                bundle_endpoint_profile: Some(BundleEndpointProfile::HttpsWeb(types::HttpsWebProfile {})),
                trust_domain_bundle: None,
            };
            let request = pb::trustdomain::v1::BatchCreateFederationRelationshipRequest {
                federation_relationships: vec![relationship],
                output_mask: None,
            };
            let results = trust_domains.batch_create_federation_relationship(request).await?.into_inner().results;
            item(results.last().and_then(|result| result.status.clone()))
        }
        _ => {
            let x509_authorities = vec![types::X509Certificate { asn1: vec![1], tainted: false }];
            let request = pb::bundle::v1::AppendBundleRequest {
                x509_authorities,
                ..pb::bundle::v1::AppendBundleRequest::default()
            };
            done(bundles.append_bundle(request).await)
        }
    }
}
