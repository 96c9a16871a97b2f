//! Roles from what the code declares to ask of an API server.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use steeple_k8s::{Permission, Scope};

/// Permissions that a component has while values of the chart want what needs them.
struct Grant {
    /// The condition as a template writes it; empty for always.
    when: &'static str,
    permissions: Vec<Permission>,
}

/// Who acts: a component and the service account that it runs as.
struct Actor {
    /// The condition under which it is there, as a template writes it; empty for always.
    when: &'static str,
    name: &'static str,
    account: &'static str,
    grants: Vec<Grant>,
}

fn actors() -> Vec<Actor> {
    let grant = |when, permissions: &[Permission]| Grant { when, permissions: permissions.to_vec() };
    let (kubelet, watch): (Vec<_>, Vec<_>) =
        steeple_workload_attest::k8s::PERMISSIONS.iter().copied().partition(|one| one.resource.starts_with("nodes/"));
    vec![
        Actor {
            when: "",
            name: "steeple-server",
            account: "steeple-server",
            grants: vec![
                grant("", steeple_node_attest::k8s_psat::PERMISSIONS),
                grant("", steeple_publish::k8sbundle::PERMISSIONS),
            ],
        },
        Actor {
            when: "",
            name: "steeple-agent",
            account: "steeple-agent",
            grants: vec![grant("", &watch), grant(".Values.agent.kubelet.enabled", &kubelet)],
        },
        // It runs in the server's pod, which has one service account.
        Actor {
            when: ".Values.controller.enabled",
            name: "steeple-controller",
            account: "steeple-server",
            grants: vec![grant("", &steeple_controller::PERMISSIONS.concat())],
        },
    ]
}

/// The chart's templates of roles and their bindings, by name of the file.
pub(crate) fn templates() -> BTreeMap<String, String> {
    let file = |actor: &Actor| {
        let name = actor.name.strip_prefix("steeple-").unwrap_or(actor.name);
        (format!("{name}-rbac.yaml"), template(actor))
    };
    actors().iter().map(file).collect()
}

fn template(actor: &Actor) -> String {
    let mut text = String::from("# Written by `cargo xtask manifests` from what the code asks for.\n");
    let mut first = true;
    for scope in [Scope::Cluster, Scope::OwnNamespace] {
        let rules: Vec<String> = actor.grants.iter().filter_map(|grant| rules(grant, scope)).collect();
        if rules.is_empty() {
            continue;
        }
        if !first {
            text.push_str("---\n");
        }
        first = false;
        role(&mut text, actor, scope, &rules.concat());
    }
    if actor.when.is_empty() { text } else { format!("{{{{- if {} }}}}\n{text}{{{{- end }}}}\n", actor.when) }
}

/// The rules of one grant, in its condition.
fn rules(grant: &Grant, scope: Scope) -> Option<String> {
    let mut text = String::new();
    for permission in grant.permissions.iter().filter(|permission| permission.scope == scope) {
        rule(&mut text, permission);
    }
    match (text.is_empty(), grant.when) {
        (true, _) => None,
        (false, "") => Some(text),
        (false, when) => Some(format!("  {{{{- if {when} }}}}\n{text}  {{{{- end }}}}\n")),
    }
}

fn rule(text: &mut String, permission: &Permission) {
    let list = |words: &[&str]| words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
    let reason = permission.reason.trim_end_matches('.');
    // Writing to a string does not fail.
    let _ = writeln!(text, "  # {reason}.");
    let _ = writeln!(text, "  - apiGroups: [{}]", list(&[permission.group]));
    let _ = writeln!(text, "    resources: [{}]", list(&[permission.resource]));
    if !permission.names.is_empty() {
        let _ = writeln!(text, "    resourceNames: [{}]", list(permission.names));
    }
    let _ = writeln!(text, "    verbs: [{}]", list(permission.verbs));
}

fn role(text: &mut String, actor: &Actor, scope: Scope, rules: &str) {
    // Roles of the cluster bear the instance, by which installations differ.
    let (kind, suffix, namespace) = match scope {
        Scope::Cluster => ("ClusterRole", "{{ include \"steeple.suffix\" . }}", ""),
        Scope::OwnNamespace => ("Role", "", "  namespace: {{ .Release.Namespace }}\n"),
    };
    let account = actor.account;
    let labels = format!("  labels:\n    {{{{- include \"steeple.labels\" {:?} | nindent 4 }}}}\n", actor.name);
    let name = format!("{}{suffix}", actor.name);
    let _ = write!(
        text,
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n  name: {name}\n{namespace}{labels}rules:\n{rules}\
         ---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}Binding\nmetadata:\n  name: {name}\n{namespace}{labels}\
         roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {kind}\n  name: {name}\n\
         subjects:\n  - kind: ServiceAccount\n    name: {account}\n    namespace: {{{{ .Release.Namespace }}}}\n"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Permission = Permission {
        group: "",
        resource: "nodes",
        names: &[],
        verbs: &["get"],
        scope: Scope::Cluster,
        reason: "to know them",
    };

    #[test]
    fn scopes_names_and_conditions_become_roles() {
        let own = Permission { names: &["one"], scope: Scope::OwnNamespace, ..READ };
        let grants =
            vec![Grant { when: "", permissions: vec![READ] }, Grant { when: ".Values.more", permissions: vec![own] }];
        let text = template(&Actor { when: ".Values.x", name: "steeple-x", account: "steeple-y", grants });
        assert!(text.starts_with("{{- if .Values.x }}\n") && text.ends_with("{{- end }}\n"));
        let (cluster, namespaced) = text.split_once("kind: Role\n").unwrap();
        assert!(cluster.contains("kind: ClusterRoleBinding"));
        assert_eq!(cluster.matches("  name: steeple-x{{ include \"steeple.suffix\" . }}\n").count(), 3, "{cluster}");
        assert!(
            cluster.contains(
                "  # to know them.\n  - apiGroups: [\"\"]\n    resources: [\"nodes\"]\n    verbs: [\"get\"]\n"
            )
        );
        assert!(namespaced.contains("  {{- if .Values.more }}\n"));
        assert!(namespaced.contains("    resourceNames: [\"one\"]\n"));
        assert!(namespaced.contains("    name: steeple-y\n") && namespaced.contains("  name: steeple-x\n"));
    }
}
