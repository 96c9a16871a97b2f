//! The block `access`: scoped rights.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use steeple_config::{Block, ConfigError, invalid, parse_duration};
use steeple_policy::access::{Action, BindingDraft, GrantsDraft, Policy, ScopeDraft, Subject, SubjectDraft};
use steeple_types::TrustDomain;

use crate::access::{AccessSettings, KeySource, TokenIssuer};

/// Keys of the block.
pub(super) const KEYS: &[&str] = &["mode", "binding", "issuer", "two_person", "approval_ttl"];

const BINDING: &[&str] = &["role", "subject", "scope", "grants", "not_before", "not_after", "reason"];
const SUBJECT: &[&str] =
    &["spiffe_id", "spiffe_id_prefix", "entry_flag", "uid", "gid", "executable", "oidc", "group", "user"];
const ISSUER: &[&str] = &["issuer", "audience", "jwks_path", "jwks_url", "groups_claim"];
const GRANTS: &[&str] = &["roles", "scope"];
const SCOPE: &[&str] = &[
    "trust_domain",
    "path",
    "parents",
    "selector_types",
    "namespaces",
    "max_x509_svid_ttl",
    "max_jwt_svid_ttl",
    "dns_names",
    "federates_with",
    "flags",
];

/// Scoped rights, if they are asked for.
///
/// # Errors
/// [`ConfigError`] of the first thing that is not in order.
pub fn read(root: &Block<'_>, trust_domain: &TrustDomain) -> Result<Option<AccessSettings>, ConfigError> {
    let Some(access) = root.block("access")? else { return Ok(None) };
    match access.text("mode")?.as_deref() {
        Some("scoped") => {}
        Some("spire") if !access.has("binding") => return Ok(None),
        Some("spire") => {
            return Err(invalid("access.binding has no effect with mode \"spire\"; set mode to \"scoped\""));
        }
        mode => {
            let mode = mode.unwrap_or_default();
            return Err(invalid(format!("access.mode {mode:?} is unknown; it must be \"scoped\" or \"spire\"")));
        }
    }
    let mut bindings = Vec::new();
    for (name, block) in access.labelled("binding")? {
        bindings.push(Arc::new(draft(name, &block)?.read().map_err(|error| invalid(format!("access: {error}")))?));
    }
    let policy = Policy::new(bindings.clone());
    policy.check().map_err(|error| invalid(format!("access: {error}")))?;
    check(&policy, trust_domain)?;
    let issuers = access.labelled("issuer")?.into_iter().map(|(name, block)| issuer(name, &block));
    let issuers: Vec<TokenIssuer> = issuers.collect::<Result<_, _>>()?;
    for (at, one) in issuers.iter().enumerate() {
        if issuers.iter().skip(at + 1).any(|other| one.name == other.name || one.issuer == other.issuer) {
            return Err(invalid(format!("access.issuer {:?}: another one has its name or issuer", one.name)));
        }
    }
    let settings =
        AccessSettings { bindings, issuers, two_person: two_person(&access)?, approval_ttl: approval_ttl(&access)? };
    for binding in &settings.bindings {
        settings.check_issuers(binding).map_err(|error| invalid(format!("access: {error}")))?;
    }
    Ok(Some(settings))
}

/// An OIDC issuer.
fn issuer(name: &str, block: &Block<'_>) -> Result<TokenIssuer, ConfigError> {
    let what = format!("access.issuer {name:?}");
    known(block, &what, ISSUER)?;
    let needed = |key: &str| {
        let text = text(block, key)?;
        if text.is_empty() { Err(invalid(format!("{what}: {key} must be configured"))) } else { Ok(text) }
    };
    let keys = match (text(block, "jwks_path")?, text(block, "jwks_url")?) {
        (path, url) if !path.is_empty() && url.is_empty() => KeySource::File(path.into()),
        (path, url) if path.is_empty() && url.starts_with("https://") => KeySource::Url(url, Arc::default()),
        (path, url) if path.is_empty() && !url.is_empty() => {
            return Err(invalid(format!("{what}: jwks_url {url:?} must start with https://")));
        }
        _ => return Err(invalid(format!("{what}: one of jwks_path and jwks_url must be configured"))),
    };
    let groups_claim = block.text("groups_claim")?.unwrap_or_else(|| "groups".to_owned());
    Ok(TokenIssuer {
        name: name.to_owned(),
        issuer: needed("issuer")?,
        audience: needed("audience")?,
        groups_claim,
        keys,
    })
}

/// What needs a second person; all that may, unless the list says otherwise.
fn two_person(access: &Block<'_>) -> Result<BTreeSet<Action>, ConfigError> {
    let known = [
        ("taint", Action::Taint),
        ("revoke", Action::Revoke),
        ("import", Action::Import),
        ("grant", Action::Create),
        ("withdraw", Action::Delete),
    ];
    let Some(names) = access.texts("two_person")? else { return Ok(known.map(|(_, action)| action).into()) };
    let find = |name: &String| {
        let found = known.iter().find(|(known, _)| known == name).map(|(_, action)| *action);
        let names = known.map(|(name, _)| name).join(", ");
        found.ok_or_else(|| invalid(format!("access.two_person: {name:?} is unknown; known are {names}")))
    };
    names.iter().map(find).collect()
}

fn approval_ttl(access: &Block<'_>) -> Result<Duration, ConfigError> {
    let ttl = duration(access, "approval_ttl")?.unwrap_or(Duration::from_hours(1));
    if ttl.is_zero() { Err(invalid("access.approval_ttl must be greater than 0")) } else { Ok(ttl) }
}

/// Somebody must be able to begin, and nothing may be about another trust domain's IDs.
fn check(policy: &Policy, trust_domain: &TrustDomain) -> Result<(), ConfigError> {
    let mut subjects = policy.bindings().iter().flat_map(|binding| &binding.subjects);
    if !subjects.any(|subject| matches!(subject, Subject::Unix { .. })) {
        return Err(invalid(
            "access: no binding is for a process on the private socket (subject { uid = … }), so nobody could administer \
             the server before there are SVIDs",
        ));
    }
    for binding in policy.bindings() {
        let scopes = [Some(&binding.scope), binding.grants.as_ref().map(|grants| &grants.scope)];
        let mut domains = scopes.into_iter().flatten().filter_map(|scope| scope.trust_domain.as_ref());
        if let Some(other) = domains.find(|domain| *domain != trust_domain) {
            let name = &binding.name;
            return Err(invalid(format!(
                "access: binding {name:?}: trust_domain {other} is not the server's {trust_domain}"
            )));
        }
    }
    Ok(())
}

/// A binding as it is written down.
pub(super) fn draft(name: &str, block: &Block<'_>) -> Result<BindingDraft, ConfigError> {
    known(block, &format!("access.binding {name:?}"), BINDING)?;
    let mut subjects = Vec::new();
    for subject in block.blocks("subject") {
        known(&subject, &format!("subject of access.binding {name:?}"), SUBJECT)?;
        subjects.push(SubjectDraft {
            spiffe_id: text(&subject, "spiffe_id")?,
            spiffe_id_prefix: text(&subject, "spiffe_id_prefix")?,
            entry_flag: text(&subject, "entry_flag")?,
            uid: subject.int("uid")?,
            gid: subject.int("gid")?,
            executable: text(&subject, "executable")?,
            oidc: text(&subject, "oidc")?,
            group: text(&subject, "group")?,
            user: text(&subject, "user")?,
        });
    }
    let grants = match block.block("grants")? {
        Some(grants) => {
            known(&grants, &format!("grants of access.binding {name:?}"), GRANTS)?;
            Some(GrantsDraft { roles: grants.texts("roles")?.unwrap_or_default(), scope: scope(name, &grants)? })
        }
        None => None,
    };
    Ok(BindingDraft {
        name: name.to_owned(),
        role: text(block, "role")?,
        subjects,
        scope: scope(name, block)?,
        grants,
        not_before: text(block, "not_before")?,
        not_after: text(block, "not_after")?,
        reason: text(block, "reason")?,
    })
}

fn scope(name: &str, of: &Block<'_>) -> Result<ScopeDraft, ConfigError> {
    let Some(scope) = of.block("scope")? else { return Ok(ScopeDraft::default()) };
    known(&scope, &format!("scope of access.binding {name:?}"), SCOPE)?;
    Ok(ScopeDraft {
        trust_domain: text(&scope, "trust_domain")?,
        path: scope.texts("path")?,
        parents: scope.texts("parents")?,
        selector_types: scope.texts("selector_types")?,
        namespaces: scope.texts("namespaces")?,
        max_x509_svid_ttl: duration(&scope, "max_x509_svid_ttl")?,
        max_jwt_svid_ttl: duration(&scope, "max_jwt_svid_ttl")?,
        dns_names: scope.texts("dns_names")?,
        federates_with: scope.texts("federates_with")?,
        flags: scope.texts("flags")?.unwrap_or_default(),
    })
}

fn text(block: &Block<'_>, key: &str) -> Result<String, ConfigError> {
    Ok(block.text(key)?.unwrap_or_default())
}

fn duration(scope: &Block<'_>, key: &str) -> Result<Option<Duration>, ConfigError> {
    let Some(text) = scope.text(key)? else { return Ok(None) };
    let read = parse_duration(&text);
    read.map(Some).map_err(|error| invalid(format!("could not parse access scope {key} {text:?}: {error}")))
}

/// A key that nobody knows may be a restriction that is spelt wrongly, so it is refused.
fn known(block: &Block<'_>, what: &str, keys: &[&str]) -> Result<(), ConfigError> {
    match block.unknown(keys).first() {
        Some(key) => Err(invalid(format!("unknown key {key:?} in {what}; known are {}", keys.join(", ")))),
        None => Ok(()),
    }
}
