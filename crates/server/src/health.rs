//! Whether the server serves, told over gRPC and HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};
use steeple_config::HealthSettings;
use steeple_net::web::Answer;
use tokio::sync::watch;

use crate::core::Core;
use crate::jobs::MAX_FAILURES;

/// How the parts of the server are, looked at anew by a job.
pub(crate) struct Health {
    core: Arc<Core>,
    failed_rotations: watch::Receiver<u32>,
    seen: watch::Sender<BTreeMap<&'static str, Option<String>>>,
}

impl Health {
    /// `failed_rotations` tells how many times in a row the rotation of authorities has failed.
    pub(crate) fn new(core: Arc<Core>, failed_rotations: watch::Receiver<u32>) -> Self {
        Self { core, failed_rotations, seen: watch::Sender::new(BTreeMap::new()) }
    }

    /// Whether the bundle can be read, which is what clients ask first.
    pub(crate) async fn serves(&self) -> bool {
        let trust_domain = self.core.trust_domain().clone();
        let bundle = self.core.store.read("bundle.fetch", move |tx| tx.bundle(&trust_domain)).await;
        bundle.is_ok_and(|bundle| bundle.is_some())
    }

    /// Looks at all parts.
    pub(crate) async fn look(&self) {
        let bundles = self.core.store.read("bundle.count", |tx| tx.count_bundles()).await;
        let serves = self.serves().await;
        let mut seen = BTreeMap::new();
        seen.insert("catalog.datastore", bundles.err().map(|error| error.to_string()));
        seen.insert("server", (!serves).then(|| "bundle not found".to_owned()));
        let signs = self.core.issuers.x509.borrow().is_some();
        seen.insert("server.ca", (!signs).then(|| "X509 CA is not available for signing".to_owned()));
        seen.insert("server.ca.rotator", rotation(*self.failed_rotations.borrow()));
        self.seen.send_replace(seen);
    }

    /// Answers over HTTP: 200 or 500, and an object per part.
    pub(crate) fn answer(&self, settings: &HealthSettings, path: &str) -> Answer {
        if path != settings.live_path && path != settings.ready_path {
            return Answer::plain(StatusCode::NOT_FOUND);
        }
        let seen = self.seen.borrow();
        let healthy = !seen.is_empty() && seen.values().all(Option::is_none);
        let part = |(name, error): (&&str, &Option<String>)| {
            let details = match (*name, error) {
                (_, None) => json!({}),
                ("server", Some(error)) => json!({ "get_bundle_err": error }),
                ("catalog.datastore", Some(error)) => json!({ "list_bundle_err": error }),
                ("server.ca.rotator", Some(error)) => json!({ "rotation_err": error }),
                (_, Some(error)) => json!({ "sign_x509_svid_err": error }),
            };
            ((*name).to_owned(), details)
        };
        let body: serde_json::Map<String, Value> = seen.iter().map(part).collect();
        let status = if healthy { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
        Answer { status, content_type: "application/json", body: format!("{}\n", Value::Object(body)) }
    }
}

/// What is wrong with the rotation of authorities, if anything is.
fn rotation(failures: u32) -> Option<String> {
    (failures > MAX_FAILURES).then(|| format!("rotation of authorities has failed {failures} times in a row"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotation_is_ill_after_more_than_ten_failures() {
        assert_eq!(rotation(10), None);
        assert_eq!(rotation(11).unwrap(), "rotation of authorities has failed 11 times in a row");
    }
}
