//! Kubernetes Events: what `kubectl describe` tells of an object.

use std::collections::VecDeque;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use steeple_clock::Clock;
use steeple_crypto::digest::sha256;
use steeple_k8s::{Permission, Scope};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use crate::time::now;

/// What telling of objects asks of the API server.
pub(crate) const PERMISSIONS: &[Permission] = &[Permission {
    group: "",
    resource: "events",
    names: &[],
    verbs: &["create", "patch"],
    scope: Scope::Cluster,
    reason: "events on pods and identity objects say why there is no identity",
}];

/// Events that wait to be written.
const QUEUE: usize = 1000;
/// Events remembered, so that the same one is counted up rather than made again.
const REMEMBERED: usize = 4000;
/// The same event is written again after this time at the earliest.
const AGAIN: Duration = Duration::from_mins(10);
/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// Longest text that an API server takes, in characters.
const MAX_MESSAGE: usize = 1000;
/// Who tells.
const COMPONENT: &str = "steeple-controller";

/// What is told of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Told {
    pub(crate) about: About,
    /// Whether somebody should act.
    pub(crate) is_warning: bool,
    /// One word, for machines.
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// An object that something is told of.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct About {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    /// Empty for an object of the cluster.
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
}

/// Takes events to be written. When too many wait, further ones are dropped: they are told again when the cause stays.
#[derive(Clone)]
pub(crate) struct Events(mpsc::Sender<Told>);

/// Writes events.
pub(crate) struct EventWriter {
    told: mpsc::Receiver<Told>,
    client: Client,
    clock: Clock,
    remembered: VecDeque<Remembered>,
    /// Whether it was told that events may not be written.
    is_forbidden: bool,
}

struct Remembered {
    name: String,
    count: i32,
    written: Duration,
}

/// A queue of events, and what writes them.
pub(crate) fn events(client: Client, clock: Clock) -> (Events, EventWriter) {
    let (sender, told) = mpsc::channel(QUEUE);
    (Events(sender), EventWriter { told, client, clock, remembered: VecDeque::new(), is_forbidden: false })
}

impl Events {
    /// Has an event written; `false` when it was dropped.
    pub(crate) fn tell(&self, told: Told) -> bool {
        self.0.try_send(told).is_ok()
    }
}

impl EventWriter {
    /// Writes what is told until nobody tells any more.
    pub(crate) async fn run(mut self) {
        while let Some(told) = self.told.recv().await {
            let name = name_of(&told);
            let now = self.clock.monotonic();
            let known = self.remembered.iter().position(|remembered| remembered.name == name);
            let count = known.and_then(|at| self.remembered.get(at)).map_or(1, |remembered| remembered.count + 1);
            let early = known
                .and_then(|at| self.remembered.get(at))
                .is_some_and(|remembered| now.saturating_sub(remembered.written) < AGAIN);
            if early {
                continue;
            }
            let written = self.clock.clone().timeout(DEADLINE, self.write(&told, &name, count)).await;
            match written {
                Ok(Ok(())) => self.remember(known, Remembered { name, count, written: now }),
                // Whoever may not write there is told so once: spire-controller-manager's roles allow its own namespace alone.
                Ok(Err(kube::Error::Api(status)))
                    if status.code == 403 && std::mem::replace(&mut self.is_forbidden, true) =>
                {
                    debug!(reason = told.reason, "Not allowed to write an event");
                }
                Ok(Err(error)) => warn!(%error, reason = told.reason, "Unable to write an event"),
                Err(_) => warn!(reason = told.reason, "Unable to write an event: no answer from the API server"),
            }
        }
    }

    fn remember(&mut self, known: Option<usize>, remembered: Remembered) {
        if let Some(at) = known {
            self.remembered.remove(at);
        }
        if self.remembered.len() >= REMEMBERED {
            self.remembered.pop_front();
        }
        self.remembered.push_back(remembered);
    }

    async fn write(&self, told: &Told, name: &str, count: i32) -> kube::Result<()> {
        let namespace = if told.about.namespace.is_empty() { "default" } else { &told.about.namespace };
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let time = Time(now(&self.clock));
        if count == 1 {
            let event = event(told, name, namespace, time.clone());
            match events.create(&PostParams::default(), &event).await {
                // A controller that was here before has told the same.
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                // The namespace goes away, and with it the object.
                Err(kube::Error::Api(status)) if status.code == 404 => {
                    debug!(namespace, "No event in a namespace that goes away");
                    return Ok(());
                }
                created => return created.map(|_| ()),
            }
        }
        let again = json!({"count": count.max(2), "lastTimestamp": time});
        match events.patch(name, &PatchParams::default(), &Patch::Merge(&again)).await {
            // API servers keep events for an hour.
            Err(kube::Error::Api(status)) if status.code == 404 && count > 1 => {
                let event = event(told, name, namespace, time);
                events.create(&PostParams::default(), &event).await.map(|_| ())
            }
            patched => patched.map(|_| ()),
        }
    }
}

fn event(told: &Told, name: &str, namespace: &str, now: Time) -> Event {
    let about = &told.about;
    let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    Event {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: some(&about.api_version),
            kind: some(&about.kind),
            namespace: some(&about.namespace),
            name: some(&about.name),
            uid: some(&about.uid),
            ..ObjectReference::default()
        },
        type_: Some(if told.is_warning { "Warning" } else { "Normal" }.to_owned()),
        reason: Some(told.reason.to_owned()),
        message: Some(told.message.chars().take(MAX_MESSAGE).collect()),
        source: Some(EventSource { component: Some(COMPONENT.to_owned()), ..EventSource::default() }),
        reporting_component: Some(COMPONENT.to_owned()),
        first_timestamp: Some(now.clone()),
        last_timestamp: Some(now),
        count: Some(1),
        ..Event::default()
    }
}

/// The same thing told of the same object has the same name.
fn name_of(told: &Told) -> String {
    let digest = sha256(format!("{}\0{}\0{}", told.about.uid, told.reason, told.message).as_bytes());
    let digest = digest.iter().take(8).fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let name: String = told.about.name.chars().take(200).collect();
    format!("{name}.{digest}")
}
