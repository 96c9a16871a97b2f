//! The attempts as questions to `Explain`.

use steeple_proto::spire::api::types;
use steeple_proto::steeple::server::access::v1 as pb;
use steeple_proto::steeple::server::access::v1::object::About;

use super::calls::Call;
use super::{Stored, Who};
use crate::bench::spiffe_id;

/// What would be asked; nothing about entries that are not stored.
pub(super) fn question(who: Who, call: &Call, stored: &Stored) -> Option<pb::ExplainRequest> {
    let caller = match who {
        Who::Person(name) => {
            pb::Caller { spiffe_id: format!("spiffe://example.org/people/{name}"), ..pb::Caller::default() }
        }
        Who::Unix(uid, gid) => pb::Caller { uid: Some(uid), gid: Some(gid), ..pb::Caller::default() },
    };
    let (method, abouts) = asked(call, stored)?;
    let (service, name) = method.split_once('/')?;
    let service_name = service.rsplit('.').next()?;
    let package = service_name.to_lowercase();
    let objects = abouts.into_iter().map(|about| pb::Object { about: Some(about) }).collect();
    let package =
        if package == "access" { "steeple.server.access".to_owned() } else { format!("spire.api.server.{package}") };
    let method = format!("/{package}.v1.{service_name}/{name}");
    Some(pb::ExplainRequest { caller: Some(caller), method, objects })
}

fn asked(call: &Call, stored: &Stored) -> Option<(&'static str, Vec<About>)> {
    let entries = [&stored.own, &stored.other, &stored.near, &stored.flagged, &stored.long];
    let kept = |id: &str| entries.into_iter().find(|entry| entry.id == id).cloned();
    let text = |id: &types::Spiffeid| format!("spiffe://{}{}", id.trust_domain, id.path);
    Some(match call.clone() {
        Call::Create(entries) => ("Entry/BatchCreateEntry", entries.into_iter().map(About::Entry).collect()),
        Call::Update(entry, mask) => {
            let was = kept(&entry.id)?;
            let becomes = resulting(&was, *entry, mask);
            ("Entry/BatchUpdateEntry", vec![About::Entry(was), About::Entry(becomes)])
        }
        Call::Delete(id) => ("Entry/BatchDeleteEntry", vec![About::Entry(kept(&id)?)]),
        Call::Get(id) => ("Entry/GetEntry", vec![About::Entry(kept(&id)?)]),
        Call::MintX509 { uri, ttl, dns } => {
            let ttl = u32::try_from(ttl).unwrap_or_default();
            ("SVID/MintX509SVID", vec![About::Svid(pb::Svid { spiffe_id: uri, ttl, dns_names: dns, jwt: false })])
        }
        Call::MintJwt { path, ttl } => {
            let (spiffe_id, ttl) = (text(&spiffe_id(path)), u32::try_from(ttl).unwrap_or_default());
            ("SVID/MintJWTSVID", vec![About::Svid(pb::Svid { spiffe_id, ttl, jwt: true, dns_names: vec![] })])
        }
        Call::JoinToken { token, agent } => {
            let token = if token.is_empty() { "drawn" } else { token };
            let own = spiffe_id(&format!("/spire/agent/join_token/{token}"));
            let entry = agent.map(|path| types::Entry {
                spiffe_id: Some(spiffe_id(path)),
                parent_id: Some(own.clone()),
                selectors: vec![types::Selector { r#type: "spiffe_id".to_owned(), value: text(&own) }],
                ..types::Entry::default()
            });
            let agent = About::Agent(text(&own));
            ("Agent/CreateJoinToken", [agent].into_iter().chain(entry.map(About::Entry)).collect())
        }
        Call::Ban(id) => ("Agent/BanAgent", vec![About::Agent(text(&id))]),
        Call::Evict(id) => ("Agent/DeleteAgent", vec![About::Agent(text(&id))]),
        Call::SetBundle(name) => ("Bundle/BatchSetFederatedBundle", vec![About::TrustDomain(name.to_owned())]),
        Call::Relationship(name) => {
            ("TrustDomain/BatchCreateFederationRelationship", vec![About::TrustDomain(name.to_owned())])
        }
        Call::DeleteBundle(name, _) => {
            let along = About::Entry(stored.other.clone());
            ("Bundle/BatchDeleteFederatedBundle", vec![About::TrustDomain(name.to_owned()), along])
        }
        Call::Grant(binding) => ("Access/CreateBinding", vec![About::Binding(*binding)]),
        Call::AppendBundle => ("Bundle/AppendBundle", vec![]),
        Call::Prepare => ("LocalAuthority/PrepareX509Authority", vec![]),
        Call::Taint => ("LocalAuthority/TaintX509Authority", vec![]),
        Call::Revoke => ("LocalAuthority/RevokeX509Authority", vec![]),
        Call::LogLevel => ("Logger/SetLogLevel", vec![]),
        Call::Info => ("Debug/GetInfo", vec![]),
        Call::Renew => ("Agent/RenewAgent", vec![]),
        Call::DownstreamCa => ("SVID/NewDownstreamX509CA", vec![]),
    })
}

/// What an update with the masks of the attempts makes of an entry.
fn resulting(was: &types::Entry, entry: types::Entry, mask: Option<types::EntryMask>) -> types::Entry {
    let Some(mask) = mask else { return entry };
    let mut becomes = was.clone();
    if mask.spiffe_id {
        becomes.spiffe_id = entry.spiffe_id;
    }
    if mask.selectors {
        becomes.selectors = entry.selectors;
    }
    if mask.admin {
        becomes.admin = entry.admin;
    }
    becomes
}
