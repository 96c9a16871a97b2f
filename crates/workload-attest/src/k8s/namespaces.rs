//! Labels of namespaces, as an API server tells of them.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use steeple_clock::Clock;
use steeple_k8s::pod::Metadata;
use steeple_k8s::{ApiServer, Change, Collection};
use steeple_runtime::Shutdown;
use tokio::sync::watch;

use super::follow::Follow;

/// Most namespaces that are held.
const MAX_NAMESPACES: usize = 50_000;

type Labels = BTreeMap<String, String>;

/// The labels of all namespaces: watched where that is permitted, else asked for one by one.
pub(super) struct Namespaces {
    api_server: ApiServer,
    collection: Collection,
    clock: Clock,
    /// Nothing while changes may be missed.
    known: watch::Sender<Option<HashMap<String, Labels>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Namespace {
    metadata: Metadata,
}

impl Namespaces {
    pub(super) fn new(api_server: ApiServer, clock: Clock) -> Self {
        let collection = Collection {
            path: "/api/v1/namespaces".to_owned(),
            fields: None,
            labels: None,
            metadata_only: true,
            limit: MAX_NAMESPACES,
        };
        Self { api_server, collection, clock, known: watch::Sender::default() }
    }

    /// Keeps the labels until `shutdown` is triggered.
    pub(super) async fn follow(&self, shutdown: &Shutdown) {
        let otherwise = "each namespace is asked for when it is needed";
        let follow = Follow { collection: self.collection.clone(), what: "namespaces", otherwise };
        let lost = || self.known.send_modify(|known| *known = None);
        follow.run(&self.api_server, &self.clock, shutdown, |change| self.take(change), lost).await;
    }

    /// The labels of a namespace.
    ///
    /// # Errors
    /// A text when they can't be had: without them a workload could pass for one of another namespace.
    pub(super) async fn labels(&self, name: &str) -> Result<Labels, String> {
        let held = self.known.borrow().as_ref().and_then(|known| known.get(name).cloned());
        if let Some(labels) = held {
            return Ok(labels);
        }
        let found = self.collection.object::<Namespace>(&self.api_server, &self.clock, name).await;
        let found = found.map_err(|error| format!("unable to get namespace {name:?}: {error}"))?;
        Ok(found.metadata.labels)
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> watch::Receiver<Option<HashMap<String, Labels>>> {
        self.known.subscribe()
    }

    fn take(&self, change: Change<Namespace>) {
        self.known.send_modify(|known| match change {
            Change::All(all) => *known = Some(all.into_iter().map(named).collect()),
            Change::Put(one) => {
                let (name, labels) = named(one);
                if let Some(known) = known {
                    known.remove(&name);
                    // What there is no room for is asked for when it is needed.
                    if known.len() < MAX_NAMESPACES {
                        known.insert(name, labels);
                    }
                }
            }
            Change::Gone(one) => {
                if let Some(known) = known {
                    known.remove(&one.metadata.name);
                }
            }
        });
    }
}

fn named(namespace: Namespace) -> (String, Labels) {
    (namespace.metadata.name, namespace.metadata.labels)
}
