//! Bindings as they are written down, by configuration or by a call, and what is wrong with them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use steeple_types::{SpiffeId, TrustDomain};

use super::binding::{Binding, Grants};
use super::path::PathPrefix;
use super::role::Role;
use super::scope::{DnsPattern, Flag, Scope};
use super::subject::Subject;

/// Most bindings have less than this of anything; more is a mistake or an attack.
const MOST: usize = 1_000;

/// A binding as it is written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of a binding")]
pub struct BindingDraft {
    pub name: String,
    pub role: String,
    pub subjects: Vec<SubjectDraft>,
    pub scope: ScopeDraft,
    pub grants: Option<GrantsDraft>,
    pub not_before: String,
    pub not_after: String,
    pub reason: String,
}

/// A subject as it is written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of a subject")]
pub struct SubjectDraft {
    pub spiffe_id: String,
    pub spiffe_id_prefix: String,
    pub entry_flag: String,
    pub uid: Option<i64>,
    pub gid: Option<i64>,
    pub executable: String,
    pub oidc: String,
    pub group: String,
    pub user: String,
}

/// A scope as it is written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of a scope")]
pub struct ScopeDraft {
    pub trust_domain: String,
    pub path: Option<Vec<String>>,
    pub parents: Option<Vec<String>>,
    pub selector_types: Option<Vec<String>>,
    pub namespaces: Option<Vec<String>>,
    pub max_x509_svid_ttl: Option<Duration>,
    pub max_jwt_svid_ttl: Option<Duration>,
    pub dns_names: Option<Vec<String>>,
    pub federates_with: Option<Vec<String>>,
    pub flags: Vec<String>,
}

/// What may be granted, as it is written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of grants")]
pub struct GrantsDraft {
    pub roles: Vec<String>,
    pub scope: ScopeDraft,
}

/// What is wrong with a binding that was written down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("binding {binding:?}: {reason}")]
pub struct DraftError {
    /// Name of the binding.
    pub binding: String,
    /// What is wrong.
    pub reason: String,
}

impl BindingDraft {
    /// The binding.
    ///
    /// # Errors
    /// [`DraftError`] of the first thing that is not in order.
    pub fn read(&self) -> Result<Binding, DraftError> {
        self.binding().map_err(|reason| DraftError { binding: self.name.clone(), reason })
    }

    fn binding(&self) -> Result<Binding, String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'/');
        if self.name.is_empty() || self.name.len() > 128 || !self.name.bytes().all(fits) {
            return Err("its name must be 1 to 128 letters, numbers, dots, dashes, slashes and underscores".to_owned());
        }
        let role = role(&self.role)?;
        let subjects: Result<Vec<Subject>, String> = few("subject", &self.subjects)?.iter().map(subject).collect();
        let subjects = subjects?;
        if subjects.is_empty() {
            return Err("it has no subject".to_owned());
        }
        let binding = Binding {
            name: self.name.clone(),
            role,
            subjects,
            scope: self.scope.read()?,
            grants: self.grants.as_ref().map(GrantsDraft::read).transpose()?,
            not_before: time("not_before", &self.not_before)?,
            not_after: time("not_after", &self.not_after)?,
            reason: self.reason.trim().to_owned(),
        };
        check(&binding)?;
        Ok(binding)
    }
}

/// Rules that are between the parts of a binding.
fn check(binding: &Binding) -> Result<(), String> {
    let needs = |what: &str| Err(format!("role {} needs {what}", binding.role));
    if binding.role == Role::BreakGlass && (binding.reason.is_empty() || binding.not_after.is_none()) {
        return needs("a reason and not_after");
    }
    if binding.role == Role::NamespaceEditor && (binding.scope.paths.is_none() || binding.scope.namespaces.is_none()) {
        return needs("scope.path and scope.namespaces");
    }
    if binding.role == Role::NamespaceEditor && !binding.scope.flags.is_empty() {
        return Err("role namespace-editor allows no flags".to_owned());
    }
    if binding.role == Role::PolicyAdmin && binding.scope != Scope::default() {
        return Err("the scope of a policy-admin is what its grants block says; it has none of its own".to_owned());
    }
    if binding.role != Role::PolicyAdmin && binding.grants.is_some() {
        return Err(format!("role {} grants nothing; only policy-admin has a grants block", binding.role));
    }
    if binding.not_before.zip(binding.not_after).is_some_and(|(from, until)| until <= from) {
        return Err("not_after is not later than not_before".to_owned());
    }
    Ok(())
}

impl GrantsDraft {
    fn read(&self) -> Result<Grants, String> {
        let roles: Result<BTreeSet<Role>, String> =
            few("grants.roles", &self.roles)?.iter().map(|name| role(name)).collect();
        Ok(Grants { roles: roles?, scope: self.scope.read()? })
    }
}

fn role(name: &str) -> Result<Role, String> {
    let role = Role::from_name(name).filter(|role| role.is_bindable());
    role.ok_or_else(|| {
        let known: Vec<&str> = Role::ALL.into_iter().filter(|role| role.is_bindable()).map(Role::name).collect();
        format!("role {name:?} is unknown; must be one of {}", known.join(", "))
    })
}

fn subject(draft: &SubjectDraft) -> Result<Subject, String> {
    let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let number = |key: &str, number: Option<i64>| {
        let read = number.map(u32::try_from).transpose();
        read.map_err(|_| format!("subject.{key} {} is not one", number.unwrap_or_default()))
    };
    let (uid, gid) = (number("uid", draft.uid)?, number("gid", draft.gid)?);
    let is_unix = uid.is_some() || gid.is_some() || !draft.executable.is_empty();
    let is_oidc = !draft.oidc.is_empty() || !draft.group.is_empty() || !draft.user.is_empty();
    let kinds = [
        !draft.spiffe_id.is_empty(),
        !draft.spiffe_id_prefix.is_empty(),
        !draft.entry_flag.is_empty(),
        is_unix,
        is_oidc,
    ];
    if kinds.into_iter().filter(|is_given| *is_given).count() != 1 {
        return Err("a subject is one of spiffe_id, spiffe_id_prefix, entry_flag, uid/gid/executable, oidc".to_owned());
    }
    if is_unix {
        if uid.is_none() && gid.is_none() {
            return Err("subject.executable needs uid or gid beside it: any user may run it".to_owned());
        }
        return Ok(Subject::Unix { uid, gid, executable: text(&draft.executable).map(PathBuf::from) });
    }
    if is_oidc {
        if draft.oidc.is_empty() || (draft.group.is_empty() && draft.user.is_empty()) {
            return Err("subject.oidc names an issuer, and group or user beside it".to_owned());
        }
        let (group, user) = (text(&draft.group), text(&draft.user));
        return Ok(Subject::Oidc { issuer: draft.oidc.clone(), group, user });
    }
    if !draft.spiffe_id_prefix.is_empty() {
        return below(&draft.spiffe_id_prefix);
    }
    match draft.entry_flag.as_str() {
        "" => {
            SpiffeId::parse(&draft.spiffe_id).map(Subject::Svid).map_err(|error| format!("subject.spiffe_id: {error}"))
        }
        "admin" => Ok(Subject::AdminEntries),
        other => Err(format!("subject.entry_flag {other:?} is unknown; it may be admin")),
    }
}

fn below(prefix: &str) -> Result<Subject, String> {
    let id = SpiffeId::parse(prefix).map_err(|error| format!("subject.spiffe_id_prefix: {error}"))?;
    let path = PathPrefix::parse(id.path()).map_err(|error| format!("subject.spiffe_id_prefix: {error}"))?;
    Ok(Subject::SvidsBelow { trust_domain: id.trust_domain_name().to_owned(), path })
}

impl ScopeDraft {
    fn read(&self) -> Result<Scope, String> {
        let domain =
            |name: &String| TrustDomain::from_name(name).map_err(|error| format!("trust domain {name:?}: {error}"));
        let parents = each("parents", self.parents.as_ref(), |text| PathPrefix::parse(text))?;
        if parents.as_ref().is_some_and(|parents| parents.iter().any(|parent| !parent.is_plain())) {
            return Err("scope.parents: a parent's path has no selectors in it".to_owned());
        }
        let flag = |name: &String| Flag::from_name(name).ok_or_else(|| format!("scope.flags: {name:?} is unknown"));
        let flags: Result<BTreeSet<Flag>, String> = few("flags", &self.flags)?.iter().map(flag).collect();
        let trust_domain = Some(&self.trust_domain).filter(|name| !name.is_empty());
        let texts = |key, texts: Option<&Vec<String>>| {
            let read: Option<Vec<String>> = each(key, texts, |text| Ok(text.clone()))?;
            Ok::<_, String>(read.map(BTreeSet::from_iter))
        };
        Ok(Scope {
            trust_domain: trust_domain.map(domain).transpose()?,
            paths: each("path", self.path.as_ref(), |text| PathPrefix::parse(text))?,
            parents,
            selector_types: texts("selector_types", self.selector_types.as_ref())?,
            namespaces: texts("namespaces", self.namespaces.as_ref())?,
            max_x509_svid_ttl: self.max_x509_svid_ttl,
            max_jwt_svid_ttl: self.max_jwt_svid_ttl,
            dns_names: each("dns_names", self.dns_names.as_ref(), |text| DnsPattern::parse(text))?,
            federates_with: each("federates_with", self.federates_with.as_ref(), domain)?.map(BTreeSet::from_iter),
            flags: flags?,
        })
    }
}

fn each<T>(
    key: &str,
    texts: Option<&Vec<String>>,
    read: impl Fn(&String) -> Result<T, String>,
) -> Result<Option<Vec<T>>, String> {
    let Some(texts) = texts else { return Ok(None) };
    let read: Result<Vec<T>, String> = few(key, texts)?.iter().map(read).collect();
    read.map(Some).map_err(|error| format!("scope.{key}: {error}"))
}

fn few<'a, T>(key: &str, items: &'a [T]) -> Result<&'a [T], String> {
    if items.len() > MOST { Err(format!("{key} has more than {MOST} items")) } else { Ok(items) }
}

fn time(key: &str, text: &str) -> Result<Option<Timestamp>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| format!("{key} {text:?} is no time such as 2026-01-31T12:00:00Z"))
}
