//! The closed catalogue of events: to which class of OCSF each belongs, and how much it matters.

use crate::EventKind;

/// A class of OCSF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Entity Management.
    EntityManagement,
    /// Application Lifecycle.
    ApplicationLifecycle,
}

impl Class {
    pub(crate) fn category(self) -> u64 {
        self.uid() / 1_000
    }

    pub(crate) fn uid(self) -> u64 {
        match self {
            Self::EntityManagement => 3_004,
            Self::ApplicationLifecycle => 6_002,
        }
    }
}

/// How an event is listed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listing {
    pub(crate) class: Class,
    /// Of the class.
    pub(crate) activity: u64,
    /// 1 informational, 2 low, 3 medium, 4 high, 5 critical.
    pub(crate) severity: u64,
    /// The kind of what is changed.
    pub(crate) entity: &'static str,
}

// Activities of Entity Management.
const CREATE: u64 = 1;
const UPDATE: u64 = 3;
const DELETE: u64 = 4;
const ENROLL: u64 = 6;
const DISABLE: u64 = 9;
const ACTIVATE: u64 = 10;
const OTHER: u64 = 99;
// Activities of Application Lifecycle.
const START: u64 = 3;
const STOP: u64 = 4;

/// How events of this kind are listed.
pub(crate) fn listing(kind: &EventKind) -> Listing {
    use EventKind as Kind;
    let of_process = |activity| Listing { class: Class::ApplicationLifecycle, activity, severity: 2, entity: "server" };
    let (entity, activity, severity) = match kind {
        Kind::EntryCreated { .. } => ("entry", CREATE, 1),
        Kind::EntryUpdated { .. } => ("entry", UPDATE, 1),
        Kind::EntryDeleted { .. } => ("entry", DELETE, 1),
        Kind::AgentAttested { .. } => ("agent", ENROLL, 1),
        Kind::AgentRenewed { .. } | Kind::AgentStatusPosted { .. } => ("agent", UPDATE, 1),
        Kind::AgentSvidActivated { .. } => ("agent", ACTIVATE, 1),
        Kind::AgentBanned { .. } => ("agent", DISABLE, 3),
        Kind::AgentDeleted { .. } => ("agent", DELETE, 2),
        Kind::JoinTokenCreated { .. } => ("join_token", CREATE, 2),
        Kind::X509SvidIssued { .. } => ("x509_svid", CREATE, 1),
        Kind::JwtSvidIssued { .. } => ("jwt_svid", CREATE, 1),
        Kind::BundleCreated { .. } => ("bundle", CREATE, 2),
        Kind::BundleAppended { .. }
        | Kind::BundleUpdated { .. }
        | Kind::BundleSet { .. }
        | Kind::BundleRefreshed { .. } => ("bundle", UPDATE, 2),
        Kind::CallDenied { .. } => ("call", OTHER, 3),
        Kind::BundleDeleted { .. } => ("bundle", DELETE, 3),
        Kind::RelationshipCreated { .. } => ("federation_relationship", CREATE, 2),
        Kind::RelationshipUpdated { .. } => ("federation_relationship", UPDATE, 2),
        Kind::RelationshipDeleted { .. } => ("federation_relationship", DELETE, 2),
        Kind::JwtKeyPublished { .. } => ("jwt_authority", CREATE, 2),
        Kind::AuthorityPrepared { .. } => ("authority", CREATE, 2),
        Kind::AuthorityActivated { .. } => ("authority", ACTIVATE, 2),
        Kind::AuthorityTainted { .. } => ("authority", DISABLE, 4),
        Kind::AuthorityRevoked { .. } => ("authority", DELETE, 4),
        Kind::BindingCreated { .. } => ("binding", CREATE, 4),
        Kind::BindingDeleted { .. } => ("binding", DELETE, 4),
        Kind::ApprovalRequested { .. } => ("approval", CREATE, 3),
        Kind::ApprovalGiven { .. } => ("approval", UPDATE, 3),
        Kind::BreakGlassUsed { .. } => ("binding", ACTIVATE, 5),
        Kind::LogLevelSet { .. } => ("log_level", UPDATE, 2),
        Kind::Pruned { .. } => ("records", DELETE, 1),
        Kind::TrailPruned { .. } => ("audit_trail", DELETE, 2),
        Kind::HoldSet { .. } => ("legal_hold", CREATE, 2),
        Kind::HoldReleased { .. } => ("legal_hold", DELETE, 3),
        Kind::ServerStarted { .. } => return of_process(START),
        Kind::ServerStopped => return of_process(STOP),
    };
    Listing { class: Class::EntityManagement, activity, severity, entity }
}

#[cfg(test)]
mod tests {
    use steeple_types::{EntryId, TrustDomain};

    use super::*;
    use crate::fields::name;

    /// The lines of the page's table.
    fn page() -> Vec<&'static str> {
        let page = include_str!("../../../docs/reference/audit.md");
        page.lines().filter(|line| line.starts_with("| `")).collect()
    }

    #[test]
    fn page_lists_each_event_as_it_is() {
        let trust_domain: TrustDomain = "example.org".parse().unwrap();
        let kind = "x509";
        let authority_id = String::new;
        for event in [
            EventKind::EntryDeleted { id: EntryId::parse("e").unwrap() },
            EventKind::JoinTokenCreated { agent_id: None, entry_id: None, expires_at: jiff::Timestamp::UNIX_EPOCH },
            EventKind::BundleCreated { trust_domain: trust_domain.clone() },
            EventKind::BundleAppended { trust_domain: trust_domain.clone() },
            EventKind::BundleUpdated { trust_domain: trust_domain.clone() },
            EventKind::BundleSet { trust_domain: trust_domain.clone() },
            EventKind::BundleRefreshed { trust_domain: trust_domain.clone(), sequence_number: 1 },
            EventKind::BundleDeleted { trust_domain: trust_domain.clone(), mode: "RESTRICT" },
            EventKind::RelationshipCreated { trust_domain: trust_domain.clone() },
            EventKind::RelationshipUpdated { trust_domain: trust_domain.clone() },
            EventKind::RelationshipDeleted { trust_domain },
            EventKind::JwtKeyPublished { authority_id: authority_id() },
            EventKind::AuthorityPrepared { kind, authority_id: authority_id() },
            EventKind::AuthorityActivated { kind, authority_id: authority_id() },
            EventKind::AuthorityTainted { kind, authority_id: authority_id() },
            EventKind::AuthorityRevoked { kind, authority_id: authority_id() },
            EventKind::CallDenied { method: "", reason: String::new(), count: 1 },
            EventKind::BindingCreated {
                name: String::new(),
                role: "viewer",
                subjects: String::new(),
                reason: String::new(),
            },
            EventKind::BindingDeleted { name: String::new() },
            EventKind::ApprovalRequested { id: String::new(), method: "" },
            EventKind::ApprovalGiven { id: String::new(), method: "" },
            EventKind::BreakGlassUsed { name: String::new(), reason: String::new(), method: "" },
            EventKind::LogLevelSet { level: String::new() },
            EventKind::Pruned { what: "" },
            EventKind::HoldSet { name: String::new(), reason: String::new() },
            EventKind::HoldReleased { name: String::new(), reason: String::new() },
            EventKind::ServerStarted { version: "", configuration_digest: String::new() },
            EventKind::ServerStopped,
        ] {
            let Listing { class, activity, severity, .. } = listing(&event);
            let row = format!("| `{}` | {} | {activity} | {severity} |", name(&event), class.uid());
            assert!(page().iter().any(|line| line.starts_with(&row)), "docs/reference/audit.md lacks {row}");
        }
    }

    #[test]
    fn controls_are_met_by_events_that_there_are() {
        let controls = include_str!("../../../docs/reference/audit-compliance.md");
        let events: Vec<&str> = page().iter().filter_map(|line| line.split('`').nth(1)).collect();
        let told = controls.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").nth(2));
        let mut count = 0;
        for word in told.flat_map(|cell| cell.split('`').skip(1).step_by(2)) {
            let is_event = word.contains('_') && !word.contains([' ', '.']) && !word.starts_with("steeple_");
            if !is_event || matches!(word, "src_endpoint" | "status_id") {
                continue;
            }
            let begin = word.trim_end_matches('*');
            let is_known = events.iter().any(|event| *event == word || (begin != word && event.starts_with(begin)));
            assert!(is_known, "docs/reference/audit-compliance.md names the event {word}, which is none");
            count += 1;
        }
        assert!(count > 20, "only {count} events were looked at");
    }

    #[test]
    fn page_and_code_name_the_same_events() {
        let source = include_str!("fields.rs");
        let (_, names) = source.split_once("fn name(").unwrap();
        let names = names.lines().filter_map(|line| line.split_once("=> \"")?.1.strip_suffix("\","));
        let mut names: Vec<&str> = names.collect();
        let mut listed: Vec<&str> = page().iter().filter_map(|line| line.split('`').nth(1)).collect();
        names.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, names);
    }
}
