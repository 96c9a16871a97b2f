//! Which federation relationships are this controller's: a relationship has no place for a mark, so they are written down.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::{Api, Client};
use steeple_clock::Clock;
use steeple_k8s::{Permission, Scope};

/// What the record asks of the API server.
pub(crate) const PERMISSIONS: &[Permission] = &[
    Permission {
        group: "",
        resource: "configmaps",
        names: &[],
        verbs: &["create"],
        scope: Scope::OwnNamespace,
        reason: "the record of own federation relationships is made with the first of them",
    },
    Permission {
        group: "",
        resource: "configmaps",
        names: &[NAME],
        verbs: &["get", "update"],
        scope: Scope::OwnNamespace,
        reason: "which federation relationships are the controller's own",
    },
];

/// Name of the ConfigMap.
pub(crate) const NAME: &str = "steeple-controller-federation";
/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// Trust domains whose relationships are this controller's.
pub(crate) struct Record {
    maps: Api<ConfigMap>,
    clock: Clock,
    /// Key of the ConfigMap: controllers of other classes have others.
    key: String,
    known: Option<Known>,
}

struct Known {
    map: ConfigMap,
    exists: bool,
}

/// Why the record can't be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("ConfigMap {NAME}: {0}")]
    Failed(#[from] kube::Error),
    #[error("ConfigMap {NAME}: no answer from the API server")]
    Late,
}

impl Record {
    /// The record of a controller, in its own namespace.
    pub(crate) fn new(client: Client, clock: Clock, class: &str) -> Self {
        let key = if class.is_empty() { "trustDomains".to_owned() } else { format!("trustDomains.{class}") };
        Self { maps: Api::default_namespaced(client), clock, key, known: None }
    }

    /// The trust domains on record.
    pub(crate) async fn read(&mut self) -> Result<BTreeSet<String>, RecordError> {
        if self.known.is_none() {
            let read = self.clock.timeout(DEADLINE, self.maps.get_opt(NAME)).await.map_err(|_| RecordError::Late)??;
            let new = || ConfigMap {
                metadata: ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() },
                ..ConfigMap::default()
            };
            let exists = read.is_some();
            self.known = Some(Known { map: read.unwrap_or_else(new), exists });
        }
        let map = self.known.as_ref().and_then(|known| known.map.data.as_ref());
        let text = map.and_then(|data| data.get(&self.key)).map(String::as_str).unwrap_or_default();
        Ok(text.split_whitespace().map(str::to_owned).collect())
    }

    /// Writes the trust domains down, if they are others than before.
    pub(crate) async fn write(&mut self, trust_domains: &BTreeSet<String>) -> Result<(), RecordError> {
        if self.read().await? == *trust_domains {
            return Ok(());
        }
        let Some(Known { mut map, exists }) = self.known.take() else { return Ok(()) };
        let text: String = trust_domains.iter().flat_map(|name| [name.as_str(), "\n"]).collect();
        map.data.get_or_insert_with(BTreeMap::new).insert(self.key.clone(), text);
        let params = PostParams::default();
        let write = async {
            if exists { self.maps.replace(NAME, &params, &map).await } else { self.maps.create(&params, &map).await }
        };
        let map = self.clock.timeout(DEADLINE, write).await.map_err(|_| RecordError::Late)??;
        self.known = Some(Known { map, exists: true });
        Ok(())
    }
}
