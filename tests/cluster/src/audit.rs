//! What the API server's audit log says of our service accounts, beside what their roles grant.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::installation::NAMESPACE;
use crate::until;

/// A service account, a verb, and a resource as `group/resource` or `group/resource/subresource`.
type Use = (String, String, String);

/// Waits until each verb that a role grants to a service account of ours was used, and none was refused.
///
/// What a kubelet is asked shows as the review of access by which it asks back.
///
/// # Errors
/// When a request was refused, or a verb was not used within [`until::PATIENCE`]; the message names them.
pub fn roles_fit(cluster: &Cluster) -> Result<()> {
    let granted = granted(cluster)?;
    ensure!(!granted.is_empty(), "no role is bound to a service account of {NAMESPACE}");
    until::ok("the use of all that is granted", || {
        let events = cluster.audit()?;
        ensure_none_refused(&events)?;
        let used: BTreeSet<Use> = events.iter().filter_map(used).collect();
        let unused: Vec<&Use> = granted.difference(&used).collect();
        ensure!(unused.is_empty(), "granted and not used: {unused:#?}");
        Ok(())
    })
}

/// The API server refused our service accounts nothing so far.
///
/// # Errors
/// When it did; the message names the requests.
pub fn none_refused(cluster: &Cluster) -> Result<()> {
    ensure_none_refused(&cluster.audit()?)
}

fn ensure_none_refused(events: &[Value]) -> Result<()> {
    let refused: Vec<String> = events.iter().filter(|event| is_refused(event)).map(told).collect();
    ensure!(refused.is_empty(), "refused: {refused:#?}");
    Ok(())
}

/// What the roles grant that are bound to our service accounts.
fn granted(cluster: &Cluster) -> Result<BTreeSet<Use>> {
    let of = |kind: &str| cluster.json(&["get", kind, "--all-namespaces"]);
    let (bindings, roles) = (of("rolebindings,clusterrolebindings")?, of("roles,clusterroles")?);
    let items = |list: &Value| list.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    let roles = items(&roles);
    let mut granted = BTreeSet::new();
    for binding in items(&bindings) {
        for account in accounts(&binding) {
            let role =
                roles.iter().find(|role| is_bound(&binding, role)).context("a binding to a role that is not there")?;
            for rule in role.get("rules").and_then(Value::as_array).into_iter().flatten() {
                granted.extend(uses(&account, rule));
            }
        }
    }
    Ok(granted)
}

/// Our service accounts among a binding's subjects.
fn accounts(binding: &Value) -> Vec<String> {
    let subjects = binding.get("subjects").and_then(Value::as_array).into_iter().flatten();
    subjects
        .filter(|subject| text(subject, "/kind") == "ServiceAccount" && text(subject, "/namespace") == NAMESPACE)
        .map(|subject| text(subject, "/name").to_owned())
        .collect()
}

/// Whether the binding binds this role: a role of a namespace has to be of the binding's.
fn is_bound(binding: &Value, role: &Value) -> bool {
    let kind = text(role, "/kind");
    kind == text(binding, "/roleRef/kind")
        && text(role, "/metadata/name") == text(binding, "/roleRef/name")
        && (kind == "ClusterRole" || text(role, "/metadata/namespace") == text(binding, "/metadata/namespace"))
}

/// What one rule lets an account do.
fn uses(account: &str, rule: &Value) -> Vec<Use> {
    let words = |key: &str| -> Vec<String> {
        let list = rule.get(key).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (groups, resources, verbs) = (words("apiGroups"), words("resources"), words("verbs"));
    let mut uses = Vec::new();
    for (group, resource) in groups.iter().flat_map(|group| resources.iter().map(move |resource| (group, resource))) {
        uses.extend(verbs.iter().map(|verb| (account.to_owned(), verb.clone(), format!("{group}/{resource}"))));
    }
    uses
}

/// What an event says that one of our service accounts did.
fn used(event: &Value) -> Option<Use> {
    if text(event, "/objectRef/resource") == "subjectaccessreviews" {
        let asked = event.pointer("/requestObject/spec")?;
        let account = account(text(asked, "/user"))?;
        let allowed = event.pointer("/responseObject/status/allowed").and_then(Value::as_bool) == Some(true);
        return allowed.then(|| {
            (
                account,
                text(asked, "/resourceAttributes/verb").to_owned(),
                resource(asked, "/resourceAttributes", "group"),
            )
        });
    }
    let account = account(text(event, "/user/username"))?;
    Some((account, text(event, "/verb").to_owned(), resource(event, "/objectRef", "apiGroup")))
}

fn resource(value: &Value, at: &str, group: &str) -> String {
    let part = |key: &str| text(value, &format!("{at}/{key}"));
    let subresource = part("subresource");
    let slash = if subresource.is_empty() { "" } else { "/" };
    format!("{}/{}{slash}{subresource}", part(group), part("resource"))
}

/// The service account of ours that a user name stands for.
fn account(user: &str) -> Option<String> {
    user.strip_prefix("system:serviceaccount:")?.strip_prefix(NAMESPACE)?.strip_prefix(':').map(str::to_owned)
}

fn is_refused(event: &Value) -> bool {
    let code = event.pointer("/responseStatus/code").and_then(Value::as_u64);
    code == Some(403) && account(text(event, "/user/username")).is_some()
}

fn told(event: &Value) -> String {
    format!("{} {} {}", text(event, "/user/username"), text(event, "/verb"), text(event, "/requestURI"))
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_is_known_by_account_verb_and_resource() {
        let event = json!({"verb": "get", "user": {"username": "system:serviceaccount:steeple:steeple-server"},
            "objectRef": {"resource": "pods"}, "responseStatus": {"code": 200}});
        assert_eq!(used(&event), Some(("steeple-server".into(), "get".into(), "/pods".into())));
        assert!(!is_refused(&event));
        let other = json!({"verb": "get", "user": {"username": "system:serviceaccount:steeple-sample:web"}});
        assert_eq!(used(&other), None);
    }

    #[test]
    fn what_a_kubelet_allowed_was_used_by_who_asked_it() {
        let event = |allowed: bool| {
            json!({"verb": "create", "user": {"username": "system:node:node1"},
            "objectRef": {"resource": "subjectaccessreviews", "apiGroup": "authorization.k8s.io"},
            "requestObject": {"spec": {"user": "system:serviceaccount:steeple:steeple-agent",
                "resourceAttributes": {"verb": "get", "resource": "nodes", "subresource": "pods"}}},
            "responseObject": {"status": {"allowed": allowed}}})
        };
        assert_eq!(used(&event(true)), Some(("steeple-agent".into(), "get".into(), "/nodes/pods".into())));
        assert_eq!(used(&event(false)), None);
    }

    #[test]
    fn a_rule_grants_every_verb_on_every_resource() {
        let rule = json!({"apiGroups": ["", "a"], "resources": ["pods", "nodes"], "verbs": ["get", "list"]});
        assert_eq!(uses("x", &rule).len(), 8);
    }

    #[test]
    fn a_refusal_counts_for_our_accounts_alone() {
        let event = |user: &str| json!({"user": {"username": user}, "responseStatus": {"code": 403}});
        assert!(is_refused(&event("system:serviceaccount:steeple:steeple-agent")));
        assert!(!is_refused(&event("system:serviceaccount:default:default")));
    }
}
