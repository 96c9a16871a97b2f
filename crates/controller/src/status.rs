//! Writes the status of objects: the latest one of each, at a bounded pace.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use kube::Client;
use serde_json::{Value, json};
use steeple_clock::Clock;
use steeple_k8s::{Permission, Scope};
use steeple_runtime::Backoff;
use tracing::{debug, warn};

use crate::inbox::Inbox;
use crate::kind::Kind;
use crate::rules::{Condition, ObjectKey, Report};
use crate::time::now;

/// What writing statuses asks of the API server.
pub(crate) const PERMISSIONS: &[Permission] = &[
    status_of("spire.spiffe.io", "clusterspiffeids/status"),
    status_of("spire.spiffe.io", "clusterstaticentries/status"),
    status_of("spire.spiffe.io", "clusterfederatedtrustdomains/status"),
    status_of("steeple.dev", "workloadidentities/status"),
];

const fn status_of(group: &'static str, resource: &'static str) -> Permission {
    let reason = "counts and conditions of identity objects";
    Permission { group, resource, names: &[], verbs: &["patch"], scope: Scope::Cluster, reason }
}

/// Pause after each round: what changes meanwhile is written once.
const PAUSE: Duration = Duration::from_secs(1);
/// Statuses in one round.
const ROUND: usize = 100;
/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// Statuses that wait to be written.
#[derive(Clone)]
pub(crate) struct Statuses(Arc<Inbox<Kind, Value>>);

impl Statuses {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inbox::new()))
    }

    /// Has the status of an object written, unless it is so already.
    pub(crate) fn put(&self, object: &ObjectKey, report: &Report, clock: &Clock) {
        if let Some(status) = status(report, clock) {
            self.0.put(object.clone(), Some(status));
        }
    }

    /// Writes statuses for ever.
    pub(crate) async fn write(self, client: Client, clock: Clock) {
        let mut backoff = Backoff::new(PAUSE, 2.0, Duration::from_secs(30));
        loop {
            self.0.told().await;
            loop {
                let round = self.0.take(ROUND);
                if round.is_empty() {
                    break;
                }
                let mut pause = PAUSE;
                for (object, status) in round {
                    let Some(status) = status else { continue };
                    if let Err(reason) = patch(&client, &clock, &object, &status).await {
                        warn!(kind = object.0.name(), name = &*object.2, error = reason, "Unable to write the status");
                        self.0.put_back(object, status);
                        pause = backoff.pause(0.5);
                    }
                }
                if pause == PAUSE {
                    backoff.reset();
                }
                clock.sleep(pause).await;
            }
        }
    }
}

async fn patch(client: &Client, clock: &Clock, object: &ObjectKey, status: &Value) -> Result<(), String> {
    let (kind, namespace, name) = object;
    let request = Request::patch(format!("{}/status", kind.path_of(namespace, name)))
        .header(http::header::CONTENT_TYPE, "application/merge-patch+json")
        .body(json!({ "status": status }).to_string().into_bytes())
        .map_err(|error| error.to_string())?;
    match clock.timeout(DEADLINE, client.request_text(request)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(kube::Error::Api(answer))) if answer.code == 404 => {
            debug!(kind = kind.name(), name = &**name, "No status for an object that is gone");
            Ok(())
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer from the API server".to_owned()),
    }
}

/// The status that an object is to have; `None` when it has it.
fn status(report: &Report, clock: &Clock) -> Option<Value> {
    let mut status = report.status.clone();
    let present = report.present.get("conditions").and_then(Value::as_array);
    let conditions: Vec<Value> = report
        .conditions
        .iter()
        .map(|new| {
            let before = present.and_then(|present| present.iter().find(|before| before["type"] == new.kind));
            condition(new, before, report.generation, clock)
        })
        .collect();
    if let Some(status) = status.as_object_mut() {
        status.insert("conditions".into(), conditions.into());
    }
    (!has(&report.present, &status)).then_some(status)
}

/// A condition's time is that of its last change between true and false.
fn condition(new: &Condition, before: Option<&Value>, generation: i64, clock: &Clock) -> Value {
    let holds = if new.holds { "True" } else { "False" };
    let since =
        before.filter(|before| before["status"] == holds).and_then(|before| before["lastTransitionTime"].as_str());
    let since = since.map_or_else(|| now(clock).strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), str::to_owned);
    let message: String = new.message.chars().take(1000).collect();
    json!({
        "type": new.kind, "status": holds, "reason": new.reason, "message": message,
        "lastTransitionTime": since, "observedGeneration": generation,
    })
}

/// Whether all that a patch would set is so already. Zeros and empty texts count as absent.
fn has(present: &Value, patch: &Value) -> bool {
    match (present, patch) {
        (Value::Object(present), Value::Object(patch)) => {
            patch.iter().all(|(name, value)| has(present.get(name).unwrap_or(&Value::Null), value))
        }
        (Value::Null, Value::Object(patch)) => patch.values().all(|value| has(&Value::Null, value)),
        (Value::Null, Value::Number(number)) => number.as_i64() == Some(0),
        (Value::Null, Value::Bool(value)) => !value,
        (Value::Null, Value::Array(values)) => values.is_empty(),
        (present, patch) => present == patch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(present: Value, holds: bool) -> Report {
        let message = "1 of 1 entries".to_owned();
        let conditions = vec![Condition { kind: "Ready", holds, reason: "Set", message }];
        let status = json!({"stats": {"podsSelected": 1, "entryFailures": 0}});
        Report { uid: "u".into(), generation: 2, present, status, conditions }
    }

    #[test]
    fn status_that_is_so_already_is_not_written() {
        let (clock, hand) = Clock::manual("2026-01-01T00:00:00Z".parse().unwrap());
        let first = status(&report(Value::Null, true), &clock).unwrap();
        assert_eq!(first["conditions"][0]["lastTransitionTime"], "2026-01-01T00:00:00Z");
        hand.advance(Duration::from_mins(1));
        assert_eq!(status(&report(first.clone(), true), &clock), None);
        let second = status(&report(first, false), &clock).unwrap();
        assert_eq!(second["conditions"][0]["lastTransitionTime"], "2026-01-01T00:01:00Z");
        assert_eq!(second["conditions"][0]["status"], "False");
    }
}
