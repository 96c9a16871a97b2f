//! Between the judgement and its forms on the wire.

use jiff::Timestamp;
use steeple_proto::spire::api::types;
use steeple_proto::steeple::server::explain::v1 as pb;
use steeple_types::{Entry, EntryId, Selector, SelectorSet, SpiffeId, TrustDomain};

use crate::{Candidate, Finding, Missing, NodeFacts, NodeState, Parentage};

/// A finding.
pub fn finding_to_pb(finding: Finding) -> pb::Finding {
    let (entry_id, spiffe_id) = finding.entry.map(|(id, spiffe_id)| (id.to_string(), spiffe_id.to_string())).unzip();
    pb::Finding {
        cause: finding.cause.name().to_owned(),
        text: finding.text,
        fix: finding.fix,
        entry_id: entry_id.unwrap_or_default(),
        spiffe_id: spiffe_id.unwrap_or_default(),
    }
}

/// A selector.
pub fn selector_to_pb(selector: &Selector) -> types::Selector {
    types::Selector { r#type: selector.kind().to_owned(), value: selector.value().to_owned() }
}

/// Selectors; those that are none are left out.
pub fn selectors_from_pb(selectors: &[types::Selector]) -> SelectorSet {
    selectors.iter().filter_map(|one| Selector::new(&one.r#type, &one.value).ok()).collect()
}

/// An agent as its server knows it, with the selectors of its node.
pub fn node_to_pb(node: &NodeFacts, selectors: Option<&SelectorSet>) -> pb::Node {
    let (state, expires_at) = match node.state {
        NodeState::NotAttested => (pb::node::State::NotAttested, 0),
        NodeState::Active => (pb::node::State::Active, 0),
        NodeState::Banned => (pb::node::State::Banned, 0),
        NodeState::Expired(end) => (pb::node::State::Expired, end.as_second()),
    };
    let selectors = selectors.into_iter().flatten().map(selector_to_pb).collect();
    pb::Node { id: node.id.to_string(), state: state.into(), expires_at, selectors }
}

/// An agent as its server knows it, if that can be read.
pub fn node_from_pb(node: &pb::Node) -> Option<NodeFacts> {
    let state = match node.state() {
        pb::node::State::NotAttested => NodeState::NotAttested,
        pb::node::State::Active => NodeState::Active,
        pb::node::State::Banned => NodeState::Banned,
        pb::node::State::Expired => NodeState::Expired(Timestamp::from_second(node.expires_at).ok()?),
    };
    Some(NodeFacts { id: SpiffeId::parse(&node.id).ok()?, state })
}

/// Whether an entry is below an agent.
pub fn parentage_to_pb(parentage: &Parentage) -> pb::Parentage {
    use pb::parentage::Kind;
    let of = |kind: Kind| pb::Parentage { kind: kind.into(), ..pb::Parentage::default() };
    match parentage {
        Parentage::Own => of(Kind::Own),
        Parentage::Nodes => of(Kind::Nodes),
        Parentage::OtherAgent(id) => pb::Parentage { id: id.to_string(), ..of(Kind::OtherAgent) },
        Parentage::Nobody(id) => pb::Parentage { id: id.to_string(), ..of(Kind::Nobody) },
        Parentage::Entry { id, entry_id } => {
            pb::Parentage { id: id.to_string(), entry_id: entry_id.to_string(), ..of(Kind::Entry) }
        }
        Parentage::Alias { id, entry_id, missing } => pb::Parentage {
            id: id.to_string(),
            entry_id: entry_id.to_string(),
            missing: missing.iter().map(missing_to_pb).collect(),
            ..of(Kind::Alias)
        },
    }
}

fn missing_to_pb(missing: &Missing) -> pb::Missing {
    let nearest = missing.nearest.as_ref().map(selector_to_pb);
    pb::Missing { wanted: Some(selector_to_pb(&missing.wanted)), nearest }
}

fn parentage_from_pb(parentage: &pb::Parentage) -> Option<Parentage> {
    use pb::parentage::Kind;
    let id = || SpiffeId::parse(&parentage.id).ok();
    let entry_id = || EntryId::parse(&parentage.entry_id).ok();
    Some(match parentage.kind() {
        Kind::Own => Parentage::Own,
        Kind::Nodes => Parentage::Nodes,
        Kind::OtherAgent => Parentage::OtherAgent(id()?),
        Kind::Nobody => Parentage::Nobody(id()?),
        Kind::Entry => Parentage::Entry { id: id()?, entry_id: entry_id()? },
        Kind::Alias => {
            let missing = parentage.missing.iter().filter_map(|missing| {
                let selector =
                    |one: Option<&types::Selector>| one.and_then(|s| Selector::new(&s.r#type, &s.value).ok());
                Some(Missing {
                    wanted: selector(missing.wanted.as_ref())?,
                    nearest: selector(missing.nearest.as_ref()),
                })
            });
            Parentage::Alias { id: id()?, entry_id: entry_id()?, missing: missing.collect() }
        }
    })
}

/// A candidate as a server tells it, if it can be read.
pub fn candidate_from_pb(candidate: &pb::Candidate) -> Option<Candidate> {
    let parentage = match &candidate.parentage {
        Some(parentage) => Some(parentage_from_pb(parentage)?),
        None => None,
    };
    Some(Candidate {
        entry: entry_from_pb(candidate.entry.as_ref()?)?,
        is_whole: !candidate.redacted,
        parentage,
        removed: candidate.removed,
        at_agent: None,
    })
}

fn entry_from_pb(entry: &types::Entry) -> Option<Entry> {
    let id = |id: Option<&types::Spiffeid>| {
        let id = id?;
        SpiffeId::from_path(&TrustDomain::from_name(&id.trust_domain).ok()?, &id.path).ok()
    };
    let attributes = entry.additional_attributes.unwrap_or_default();
    Some(Entry {
        id: EntryId::parse(&entry.id).ok()?,
        spiffe_id: id(entry.spiffe_id.as_ref())?,
        parent_id: id(entry.parent_id.as_ref())?,
        selectors: selectors_from_pb(&entry.selectors),
        x509_svid_ttl: u32::try_from(entry.x509_svid_ttl).ok()?,
        jwt_svid_ttl: u32::try_from(entry.jwt_svid_ttl).ok()?,
        federates_with: entry.federates_with.iter().map(|name| TrustDomain::parse(name).ok()).collect::<Option<_>>()?,
        admin: entry.admin,
        downstream: entry.downstream,
        expires_at: (entry.expires_at != 0).then(|| Timestamp::from_second(entry.expires_at).ok()).flatten(),
        dns_names: entry.dns_names.clone(),
        revision_number: entry.revision_number,
        store_svid: entry.store_svid,
        hint: entry.hint.clone(),
        created_at: Timestamp::from_second(entry.created_at).ok()?,
        disable_x509_svid_prefetch: attributes.disable_x509_svid_prefetch,
        jwt_svid_include_jti: attributes.jwt_svid_include_jti,
    })
}
