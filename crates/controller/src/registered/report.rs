//! What is told of identity objects, in their status.

use serde_json::{Value, json};
use steeple_registration::RuleKind;

use super::object::Told;
use super::{Registered, rule_key};
use crate::kind::Kind;
use crate::rules::{Condition, Fate, ObjectKey, Report, Seen};

impl Registered {
    pub(super) fn told(&self, key: &ObjectKey, seen: &Seen<'_>) -> Option<Report> {
        let told = self.objects.get(key)?;
        let rule = rule_key(key);
        let problem = self.desired.problem(&rule).map(|problem| problem.to_string()).or_else(|| told.problem.clone());
        match rule.kind {
            RuleKind::ClusterSpiffeId | RuleKind::WorkloadIdentity => self.of_identity(key, told, problem, seen),
            RuleKind::ClusterStaticEntry => self.of_static(key, told, problem, seen),
            RuleKind::ClusterFederatedTrustDomain => self.of_federated(key, told, problem, seen),
        }
    }

    fn of_identity(&self, key: &ObjectKey, told: &Told, problem: Option<String>, seen: &Seen<'_>) -> Option<Report> {
        let rule = rule_key(key);
        // An object of another class is none of this controller's.
        let counts = match self.desired.counts(&rule) {
            None if problem.is_none() => return None,
            counts => counts.unwrap_or_default(),
        };
        let refused = i64::try_from(seen.refused).unwrap_or(i64::MAX);
        let mut stats = json!({
            "podsSelected": counts.pods_selected,
            "podEntryRenderFailures": counts.pod_entry_render_failures,
            "entriesMasked": counts.entries_masked,
            "entriesToSet": counts.entries_to_set,
            "entryFailures": refused,
        });
        if let (Kind::ClusterSpiffeId, Some(stats)) = (key.0, stats.as_object_mut()) {
            stats.insert("namespacesSelected".into(), counts.namespaces_selected.into());
            stats.insert("namespacesIgnored".into(), counts.namespaces_ignored.into());
        }
        let failed = self.desired.failures(&rule).into_iter().next();
        let ready = match (&problem, failed, seen.reason) {
            (Some(_), _, _) => not_ready("InvalidSpec", "the specification can't be used".to_owned()),
            (None, Some(failed), _) => {
                let (count, pod) = (counts.pod_entry_render_failures, &failed.pod);
                let example = format!("for example {}/{}: {}", pod.namespace, pod.name, failed.reason);
                not_ready("RenderFailures", format!("{count} pods get no entry; {example}"))
            }
            (None, None, Some(reason)) => {
                not_ready("EntryFailures", format!("the server refuses {refused} entries; for example: {reason}"))
            }
            (None, None, None) => ready(format!("{} entries for {} pods", counts.entries_to_set, counts.pods_selected)),
        };
        let mut conditions = vec![valid(problem), ready];
        conditions.extend(masked(counts.entries_masked, &told.status));
        Some(report(told, json!({ "stats": stats }), conditions))
    }

    fn of_static(&self, key: &ObjectKey, told: &Told, problem: Option<String>, seen: &Seen<'_>) -> Option<Report> {
        let rule = rule_key(key);
        let is_masked = match self.desired.is_masked(&rule) {
            None if problem.is_none() => return None,
            masked => masked.unwrap_or_default(),
        };
        let fate = told.entry.as_ref().map_or(Fate::Waiting, |entry| (seen.fate)(entry));
        let is_set = !is_masked && fate == Fate::Set;
        let status = json!({"rendered": problem.is_none(), "masked": is_masked, "set": is_set});
        let ready = match (&problem, is_masked, fate) {
            (Some(_), _, _) => not_ready("InvalidSpec", "the specification can't be used".to_owned()),
            (None, true, _) => not_ready("Masked", "another object, which goes first, has this entry".to_owned()),
            (None, false, Fate::Refused(reason)) => not_ready("EntryFailures", reason.to_owned()),
            (None, false, Fate::Waiting) => not_ready("Waiting", "the server does not have the entry yet".to_owned()),
            (None, false, Fate::Set) => ready("the server has the entry".to_owned()),
        };
        Some(report(told, status, vec![valid(problem), ready]))
    }

    fn of_federated(&self, key: &ObjectKey, told: &Told, problem: Option<String>, seen: &Seen<'_>) -> Option<Report> {
        let own = self.desired.relationships().into_iter().find(|(owner, _)| **owner == rule_key(key));
        if own.is_none() && problem.is_none() {
            return None;
        }
        let fate = own.map_or(Fate::Waiting, |(_, made)| (seen.relationship)(made.relationship.trust_domain.name()));
        let ready = match (&problem, fate) {
            (Some(problem), _) => not_ready("InvalidSpec", problem.clone()),
            (None, Fate::Set) => ready("the server has the relationship".to_owned()),
            (None, Fate::Waiting) => not_ready("Waiting", "the server does not have the relationship yet".to_owned()),
            (None, Fate::Refused(reason)) => not_ready("RelationshipFailures", reason.to_owned()),
        };
        Some(report(told, json!({}), vec![valid(problem), ready]))
    }
}

fn report(told: &Told, status: Value, conditions: Vec<Condition>) -> Report {
    let (uid, generation, present) = (told.uid.clone(), told.generation, told.status.clone());
    Report { uid, generation, present, status, conditions }
}

fn masked(count: i64, status: &Value) -> Option<Condition> {
    let told = status.get("conditions").and_then(Value::as_array).into_iter().flatten();
    let was = told.clone().any(|condition| condition.get("type").and_then(Value::as_str) == Some("Masked"));
    let message = match (count, was) {
        (0, false) => return None,
        (0, true) => "no other object has these entries".to_owned(),
        _ => format!("{count} entries are asked for by other objects too, which go first and have them"),
    };
    let reason = if count == 0 { "NoConflict" } else { "OtherObject" };
    Some(Condition { kind: "Masked", holds: count != 0, reason, message })
}

fn valid(problem: Option<String>) -> Condition {
    match problem {
        None => Condition { kind: "Valid", holds: true, reason: "Valid", message: String::new() },
        Some(message) => Condition { kind: "Valid", holds: false, reason: "InvalidSpec", message },
    }
}

fn ready(message: String) -> Condition {
    Condition { kind: "Ready", holds: true, reason: "Set", message }
}

fn not_ready(reason: &'static str, message: String) -> Condition {
    Condition { kind: "Ready", holds: false, reason, message }
}
