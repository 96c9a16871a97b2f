//! How the server is, told over gRPC and HTTP.
//!
//! HTTP has three answers. *Live* is a server whose own work goes on, whatever it depends on: to start it anew would mend nothing
//! else. *Ready* is one that can issue now. *Started* is one that was ready once. A part that will need somebody, and keeps nobody
//! from an SVID yet, is `degraded`: it is told, and takes nothing away.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::StatusCode;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use steeple_config::HealthSettings;
use steeple_net::web::Answer;
use tokio::sync::watch;

use crate::core::Core;
use crate::jobs::MAX_FAILURES;
use crate::native::{is_jwt_in, is_x509_in};

/// A server that has not looked at itself for so long does not live.
const STUCK: Duration = Duration::from_mins(1);

/// How a part is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    Ok,
    /// It will need somebody.
    Degraded(String),
    /// Nothing can be issued.
    Failing(String),
}

impl Condition {
    /// Failing for a reason, or in order without one.
    fn failing(reason: Option<String>) -> Self {
        reason.map_or(Self::Ok, Self::Failing)
    }

    /// Degraded for a reason, or in order without one.
    fn degraded(reason: Option<String>) -> Self {
        reason.map_or(Self::Ok, Self::Degraded)
    }

    /// An empty object, as of SPIRE, or the reason under its name and the state.
    fn told(&self, key: &str) -> Value {
        match self {
            Self::Ok => json!({}),
            Self::Degraded(reason) => json!({ "state": "degraded", key: reason }),
            Self::Failing(reason) => json!({ "state": "failing", key: reason }),
        }
    }
}

/// How the parts of the server are, looked at anew by a job.
pub(crate) struct Health {
    core: Arc<Core>,
    failed_rotations: watch::Receiver<u32>,
    /// By name, with the name of the reason.
    seen: watch::Sender<BTreeMap<&'static str, (&'static str, Condition)>>,
    looked_at: Mutex<Duration>,
    has_started: AtomicBool,
}

impl Health {
    /// `failed_rotations` tells how many times in a row the rotation of authorities has failed.
    pub(crate) fn new(core: Arc<Core>, failed_rotations: watch::Receiver<u32>) -> Self {
        let looked_at = Mutex::new(core.clock.monotonic());
        let (seen, has_started) = (watch::Sender::new(BTreeMap::new()), AtomicBool::new(false));
        Self { core, failed_rotations, seen, looked_at, has_started }
    }

    /// Whether the bundle can be read, which is what clients ask first.
    pub(crate) async fn serves(&self) -> bool {
        self.bundle().await.is_some()
    }

    async fn bundle(&self) -> Option<steeple_types::Bundle> {
        let trust_domain = self.core.trust_domain().clone();
        self.core.store.read("bundle.fetch", move |tx| tx.bundle(&trust_domain)).await.ok().flatten()
    }

    /// Looks at all parts.
    pub(crate) async fn look(&self) {
        let core = &self.core;
        let bundles = core.store.read("bundle.count", |tx| tx.count_bundles()).await;
        let bundle = self.bundle().await;
        let mut seen = BTreeMap::new();
        let datastore = Condition::failing(bundles.err().map(|error| error.to_string()));
        seen.insert("catalog.datastore", ("list_bundle_err", datastore));
        let missing = bundle.is_none().then(|| "bundle not found".to_owned());
        seen.insert("server", ("get_bundle_err", Condition::failing(missing)));
        let signs = core.issuers.x509.borrow().is_some();
        let unsigned = (!signs).then(|| "X509 CA is not available for signing".to_owned());
        seen.insert("server.ca", ("sign_x509_svid_err", Condition::failing(unsigned)));
        seen.insert("server.ca.rotator", ("rotation_err", rotation(*self.failed_rotations.borrow())));
        if let (Some(bundle), true) = (&bundle, signs) {
            let is_x509 = is_x509_in(core, Some(bundle)).unwrap_or(true);
            let is_jwt = is_jwt_in(core, Some(bundle)).unwrap_or(true);
            seen.insert("server.ca.bundle", ("bundle_err", published(is_x509, is_jwt)));
        }
        if core.settings.audit_directory.is_some() {
            let failing = core.measures.audit_fails().then(|| "the audit trail can't be written".to_owned());
            seen.insert("server.audit", ("write_err", Condition::failing(failing)));
            let now = core.clock.now();
            let down = core.sinks.iter().filter(|sink| !sink.report(now).is_up).map(|sink| sink.name().to_owned());
            let down: Vec<String> = down.collect();
            let down = (!down.is_empty()).then(|| format!("these take no records: {}", down.join(", ")));
            seen.insert("server.audit.sinks", ("delivery_err", Condition::degraded(down)));
        }
        if is_ready(&seen) {
            self.has_started.store(true, Ordering::Relaxed);
        }
        *self.looked_at.lock() = core.clock.monotonic();
        self.seen.send_replace(seen);
    }

    /// Answers over HTTP: 200 or 500, and an object per part.
    pub(crate) fn answer(&self, settings: &HealthSettings, path: &str) -> Answer {
        let seen = self.seen.borrow();
        let mut body: Map<String, Value> =
            seen.iter().map(|(name, (key, condition))| ((*name).to_owned(), condition.told(key))).collect();
        let is_well = if path == settings.live_path {
            let silent = self.core.clock.monotonic().saturating_sub(*self.looked_at.lock());
            if silent >= STUCK {
                let reason = format!("the server has not looked at itself for {} s", silent.as_secs());
                body.insert("server.work".to_owned(), Condition::Failing(reason).told("live_err"));
            }
            silent < STUCK
        } else if path == settings.ready_path {
            is_ready(&seen)
        } else if path == settings.startup_path {
            self.has_started.load(Ordering::Relaxed)
        } else {
            return Answer::plain(StatusCode::NOT_FOUND);
        };
        let status = if is_well { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
        Answer { status, content_type: "application/json", body: format!("{}\n", Value::Object(body)) }
    }
}

/// Whether no part is failing, once they were looked at.
fn is_ready(seen: &BTreeMap<&'static str, (&'static str, Condition)>) -> bool {
    !seen.is_empty() && seen.values().all(|(_, condition)| !matches!(condition, Condition::Failing(_)))
}

/// How the rotation of authorities is. What signs goes on signing meanwhile.
fn rotation(failures: u32) -> Condition {
    let reason = || format!("rotation of authorities has failed {failures} times in a row");
    match failures {
        0 => Condition::Ok,
        1..=MAX_FAILURES => Condition::Degraded(reason()),
        _ => Condition::Failing(reason()),
    }
}

/// Whether who has the bundle can verify what is signed.
fn published(is_x509: bool, is_jwt: bool) -> Condition {
    let missing = match (is_x509, is_jwt) {
        (true, true) => return Condition::Ok,
        (false, true) => "X.509",
        (true, false) => "JWT",
        (false, false) => "X.509 and JWT",
    };
    Condition::Failing(format!("the {missing} authority that signs is not in the bundle"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotation_is_degraded_at_once_and_failing_after_more_than_ten_failures() {
        assert_eq!(rotation(0), Condition::Ok);
        assert!(matches!(rotation(1), Condition::Degraded(_)) && matches!(rotation(10), Condition::Degraded(_)));
        assert_eq!(rotation(11), Condition::Failing("rotation of authorities has failed 11 times in a row".to_owned()));
    }

    #[test]
    fn degraded_part_is_told_and_takes_nothing_away() {
        let degraded = Condition::degraded(Some("a".to_owned()));
        assert_eq!(degraded.told("err"), json!({ "state": "degraded", "err": "a" }));
        assert_eq!(Condition::degraded(None).told("err"), json!({}));
        let of = |condition| BTreeMap::from([("a", ("err", Condition::Ok)), ("b", ("err", condition))]);
        assert!(is_ready(&of(degraded)) && !is_ready(&BTreeMap::new()));
        assert!(!is_ready(&of(Condition::failing(Some("a".to_owned())))));
    }

    #[test]
    fn authority_that_nobody_can_verify_is_named() {
        assert_eq!(published(true, true), Condition::Ok);
        let failing = |text: &str| Condition::Failing(format!("the {text} authority that signs is not in the bundle"));
        assert_eq!(published(false, true), failing("X.509"));
        assert_eq!(published(true, false), failing("JWT"));
        assert_eq!(published(false, false), failing("X.509 and JWT"));
    }
}
