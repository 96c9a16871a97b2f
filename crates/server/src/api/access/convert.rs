//! Bindings between their forms on the wire and in the engine.

use std::time::Duration;

use steeple_policy::access::{
    Binding, BindingDraft, Flag, Grants, GrantsDraft, Role, Scope, ScopeDraft, Subject, SubjectDraft,
};
use steeple_proto::steeple::server::access::v1 as pb;

/// A binding as it was written into a message.
pub(crate) fn draft(binding: &pb::Binding) -> BindingDraft {
    BindingDraft {
        name: binding.name.clone(),
        role: binding.role.clone(),
        subjects: binding.subjects.iter().map(subject_draft).collect(),
        scope: binding.scope.as_ref().map(scope_draft).unwrap_or_default(),
        grants: binding.grants.as_ref().map(|grants| GrantsDraft {
            roles: grants.roles.clone(),
            scope: grants.scope.as_ref().map(scope_draft).unwrap_or_default(),
        }),
        not_before: binding.not_before.clone(),
        not_after: binding.not_after.clone(),
        reason: binding.reason.clone(),
    }
}

fn subject_draft(subject: &pb::Subject) -> SubjectDraft {
    SubjectDraft {
        spiffe_id: subject.spiffe_id.clone(),
        spiffe_id_prefix: subject.spiffe_id_prefix.clone(),
        entry_flag: subject.entry_flag.clone(),
        uid: subject.uid.map(i64::from),
        gid: subject.gid.map(i64::from),
        executable: subject.executable.clone(),
        oidc: subject.oidc.clone(),
        group: subject.group.clone(),
        user: subject.user.clone(),
    }
}

fn scope_draft(scope: &pb::Scope) -> ScopeDraft {
    let texts = |texts: &Option<pb::Texts>| texts.as_ref().map(|texts| texts.values.clone());
    ScopeDraft {
        trust_domain: scope.trust_domain.clone(),
        path: texts(&scope.path),
        parents: texts(&scope.parents),
        selector_types: texts(&scope.selector_types),
        namespaces: texts(&scope.namespaces),
        max_x509_svid_ttl: scope.max_x509_svid_ttl.map(Duration::from_secs),
        max_jwt_svid_ttl: scope.max_jwt_svid_ttl.map(Duration::from_secs),
        dns_names: texts(&scope.dns_names),
        federates_with: texts(&scope.federates_with),
        flags: scope.flags.clone(),
    }
}

/// A binding as messages have it.
pub(crate) fn binding_to_pb(binding: &Binding) -> pb::Binding {
    let time = |time: Option<jiff::Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
    pb::Binding {
        name: binding.name.clone(),
        role: binding.role.name().to_owned(),
        subjects: binding.subjects.iter().map(subject_to_pb).collect(),
        scope: Some(scope_to_pb(&binding.scope)),
        grants: binding.grants.as_ref().map(grants_to_pb),
        not_before: time(binding.not_before),
        not_after: time(binding.not_after),
        reason: binding.reason.clone(),
        ..pb::Binding::default()
    }
}

fn grants_to_pb(grants: &Grants) -> pb::Grants {
    let roles = grants.roles.iter().copied().map(Role::name).map(str::to_owned).collect();
    pb::Grants { roles, scope: Some(scope_to_pb(&grants.scope)) }
}

fn subject_to_pb(subject: &Subject) -> pb::Subject {
    let mut out = pb::Subject::default();
    match subject {
        Subject::Svid(id) => out.spiffe_id = id.to_string(),
        Subject::SvidsBelow { trust_domain, path } => out.spiffe_id_prefix = format!("spiffe://{trust_domain}{path}"),
        Subject::AdminEntries => "admin".clone_into(&mut out.entry_flag),
        Subject::Unix { uid, gid, executable } => {
            (out.uid, out.gid) = (*uid, *gid);
            out.executable = executable.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        }
        Subject::Oidc { issuer, group, user } => {
            out.oidc.clone_from(issuer);
            out.group = group.clone().unwrap_or_default();
            out.user = user.clone().unwrap_or_default();
        }
    }
    out
}

fn scope_to_pb(scope: &Scope) -> pb::Scope {
    fn texts<'a, T: ToString + 'a>(items: Option<impl IntoIterator<Item = &'a T>>) -> Option<pb::Texts> {
        items.map(|items| pb::Texts { values: items.into_iter().map(ToString::to_string).collect() })
    }
    pb::Scope {
        trust_domain: scope.trust_domain.as_ref().map(|domain| domain.name().to_owned()).unwrap_or_default(),
        path: texts(scope.paths.as_ref()),
        parents: texts(scope.parents.as_ref()),
        selector_types: texts(scope.selector_types.as_ref()),
        namespaces: texts(scope.namespaces.as_ref()),
        max_x509_svid_ttl: scope.max_x509_svid_ttl.map(|ttl| ttl.as_secs()),
        max_jwt_svid_ttl: scope.max_jwt_svid_ttl.map(|ttl| ttl.as_secs()),
        dns_names: texts(scope.dns_names.as_ref()),
        federates_with: texts(scope.federates_with.as_ref()),
        flags: scope.flags.iter().copied().map(Flag::name).map(str::to_owned).collect(),
    }
}
