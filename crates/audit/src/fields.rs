//! Events as fields of a log.

use jiff::Timestamp;
use serde_json::{Map, Value};
use steeple_types::SpiffeId;

use crate::{Actor, EventKind, IssuedFor};

type Pairs = Vec<(&'static str, String)>;

/// Who asked and what happens, by SPIRE's names of fields where it has them.
pub(crate) fn fields(actor: &Actor, kind: &EventKind) -> Map<String, Value> {
    let pairs = [("event", name(kind).to_owned())].into_iter().chain(told(kind)).chain(caller(actor));
    pairs.map(|(name, value)| (name.to_owned(), value.into())).collect()
}

fn caller(actor: &Actor) -> Pairs {
    match actor {
        Actor::Server => vec![("actor", "server".to_owned())],
        Actor::Local { uid, pid } => {
            vec![("actor", "local".to_owned()), ("caller_uid", uid.to_string()), ("caller_pid", pid.to_string())]
        }
        Actor::Svid { id, .. } => vec![("actor", "svid".to_owned()), ("caller_id", id.to_string())],
        Actor::Anonymous { .. } => vec![("actor", "anonymous".to_owned())],
        Actor::Token { issuer, user, .. } => {
            vec![("actor", "token".to_owned()), ("issuer", issuer.to_string()), ("caller_user", user.to_string())]
        }
        Actor::Bound { actor, by } => [caller(actor), vec![("authorized_by", by.to_string())]].concat(),
    }
}

pub(crate) fn told(kind: &EventKind) -> Pairs {
    use EventKind as Kind;
    match kind {
        Kind::EntryCreated { entry } => {
            vec![("entry_id", entry.id.to_string()), ("spiffe_id", entry.spiffe_id.to_string())]
        }
        Kind::EntryUpdated { entry, .. } => vec![("entry_id", entry.id.to_string())],
        Kind::EntryDeleted { id } => vec![("entry_id", id.to_string())],
        Kind::AgentAttested { id, svid } => {
            let attested = vec![("node_attestor_type", svid.attestation_type.clone())];
            [agent(id), serial(&svid.serial_number), attested].concat()
        }
        Kind::AgentRenewed { id, serial_number, .. } | Kind::AgentSvidActivated { id, serial_number } => {
            [agent(id), serial(serial_number)].concat()
        }
        Kind::AgentBanned { id } | Kind::AgentDeleted { id } => agent(id),
        Kind::AgentStatusPosted { id, agent_version } => {
            [agent(id), vec![("agent_version", agent_version.clone())]].concat()
        }
        Kind::JoinTokenCreated { agent_id, entry_id, expires_at } => {
            let entry = entry_id.iter().map(|id| ("entry_id", id.to_string())).collect();
            [agent_id.as_ref().map(agent).unwrap_or_default(), entry, expiry(*expires_at)].concat()
        }
        Kind::X509SvidIssued { id, svid: issued } => {
            [svid(id, issued.issued_for.as_ref()), serial(&issued.serial_number), expiry(issued.expires_at)].concat()
        }
        Kind::JwtSvidIssued { id, jti, expires_at, issued_for } => {
            let jti = jti.iter().map(|jti| ("jti", jti.clone())).collect();
            [svid(id, issued_for.as_ref()), jti, expiry(*expires_at)].concat()
        }
        Kind::BundleAppended { trust_domain }
        | Kind::BundleCreated { trust_domain }
        | Kind::BundleUpdated { trust_domain }
        | Kind::BundleSet { trust_domain }
        | Kind::RelationshipCreated { trust_domain }
        | Kind::RelationshipUpdated { trust_domain }
        | Kind::RelationshipDeleted { trust_domain } => vec![("trust_domain_id", trust_domain.to_string())],
        Kind::CallDenied { method, reason, count } => {
            vec![("method", (*method).to_owned()), ("reason", reason.clone()), ("count", count.to_string())]
        }
        Kind::BundleDeleted { trust_domain, mode } => {
            vec![("trust_domain_id", trust_domain.to_string()), ("mode", (*mode).to_owned())]
        }
        Kind::BundleRefreshed { trust_domain, sequence_number } => {
            vec![("trust_domain_id", trust_domain.to_string()), ("sequence_number", sequence_number.to_string())]
        }
        Kind::JwtKeyPublished { authority_id } => vec![("authority_id", authority_id.clone())],
        Kind::AuthorityPrepared { kind, authority_id }
        | Kind::AuthorityActivated { kind, authority_id }
        | Kind::AuthorityTainted { kind, authority_id }
        | Kind::AuthorityRevoked { kind, authority_id } => {
            vec![("authority_type", (*kind).to_owned()), ("authority_id", authority_id.clone())]
        }
        Kind::BindingCreated { name, role, subjects, reason } => vec![
            ("binding", name.clone()),
            ("role", (*role).to_owned()),
            ("subjects", subjects.clone()),
            ("reason", reason.clone()),
        ],
        Kind::BindingDeleted { name } => vec![("binding", name.clone())],
        Kind::ApprovalRequested { id, method } | Kind::ApprovalGiven { id, method } => {
            vec![("approval_id", id.clone()), ("approved_method", (*method).to_owned())]
        }
        Kind::BreakGlassUsed { name, reason, method } => {
            vec![("binding", name.clone()), ("reason", reason.clone()), ("used_method", (*method).to_owned())]
        }
        Kind::LogLevelSet { level } => vec![("new_level", level.clone())],
        Kind::Pruned { what } => vec![("pruned", (*what).to_owned())],
        Kind::TrailPruned { tombstone } => tombstone.pairs(),
        Kind::HoldSet { name, reason } | Kind::HoldReleased { name, reason } => {
            vec![("hold", name.clone()), ("reason", reason.clone())]
        }
        Kind::ServerStarted { version, configuration_digest } => {
            vec![("version", (*version).to_owned()), ("configuration_digest", configuration_digest.clone())]
        }
        Kind::ServerStopped => Vec::new(),
    }
}

fn agent(id: &SpiffeId) -> Pairs {
    vec![("agent_id", id.to_string())]
}

fn svid(id: &SpiffeId, issued_for: Option<&IssuedFor>) -> Pairs {
    let entry = issued_for.map(|issued_for| ("entry_id", issued_for.entry_id.to_string()));
    entry.into_iter().chain([("spiffe_id", id.to_string())]).collect()
}

fn serial(number: &str) -> Pairs {
    vec![("serial_num", number.to_owned())]
}

fn expiry(at: Timestamp) -> Pairs {
    vec![("expires_at", at.to_string())]
}

pub(crate) fn name(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::EntryCreated { .. } => "entry_created",
        EventKind::EntryUpdated { .. } => "entry_updated",
        EventKind::EntryDeleted { .. } => "entry_deleted",
        EventKind::AgentAttested { .. } => "agent_attested",
        EventKind::AgentRenewed { .. } => "agent_renewed",
        EventKind::AgentSvidActivated { .. } => "agent_svid_activated",
        EventKind::AgentBanned { .. } => "agent_banned",
        EventKind::AgentDeleted { .. } => "agent_deleted",
        EventKind::AgentStatusPosted { .. } => "agent_status_posted",
        EventKind::JoinTokenCreated { .. } => "join_token_created",
        EventKind::X509SvidIssued { .. } => "x509_svid_issued",
        EventKind::JwtSvidIssued { .. } => "jwt_svid_issued",
        EventKind::BundleAppended { .. } => "bundle_appended",
        EventKind::BundleCreated { .. } => "bundle_created",
        EventKind::BundleUpdated { .. } => "bundle_updated",
        EventKind::BundleSet { .. } => "bundle_set",
        EventKind::BundleRefreshed { .. } => "bundle_refreshed",
        EventKind::BundleDeleted { .. } => "bundle_deleted",
        EventKind::CallDenied { .. } => "call_denied",
        EventKind::RelationshipCreated { .. } => "relationship_created",
        EventKind::RelationshipUpdated { .. } => "relationship_updated",
        EventKind::RelationshipDeleted { .. } => "relationship_deleted",
        EventKind::JwtKeyPublished { .. } => "jwt_key_published",
        EventKind::AuthorityPrepared { .. } => "authority_prepared",
        EventKind::AuthorityActivated { .. } => "authority_activated",
        EventKind::AuthorityTainted { .. } => "authority_tainted",
        EventKind::AuthorityRevoked { .. } => "authority_revoked",
        EventKind::BindingCreated { .. } => "binding_created",
        EventKind::BindingDeleted { .. } => "binding_deleted",
        EventKind::ApprovalRequested { .. } => "approval_requested",
        EventKind::ApprovalGiven { .. } => "approval_given",
        EventKind::BreakGlassUsed { .. } => "break_glass_used",
        EventKind::LogLevelSet { .. } => "log_level_set",
        EventKind::Pruned { .. } => "pruned",
        EventKind::TrailPruned { .. } => "trail_pruned",
        EventKind::HoldSet { .. } => "hold_set",
        EventKind::HoldReleased { .. } => "hold_released",
        EventKind::ServerStarted { .. } => "server_started",
        EventKind::ServerStopped => "server_stopped",
    }
}
