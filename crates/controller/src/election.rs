//! Who of several controllers acts: the holder of a Lease.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use steeple_clock::Clock;
use steeple_k8s::{Permission, Scope};
use tracing::{info, warn};

use crate::time::now;

/// What an election asks of the API server.
pub(crate) const PERMISSIONS: &[Permission] = &[
    Permission {
        group: "coordination.k8s.io",
        resource: "leases",
        names: &[],
        verbs: &["create"],
        scope: Scope::OwnNamespace,
        reason: "the first controller makes the Lease",
    },
    Permission {
        group: "coordination.k8s.io",
        resource: "leases",
        names: &[DEFAULT_NAME],
        verbs: &["get", "update"],
        scope: Scope::OwnNamespace,
        reason: "one of several controllers acts",
    },
];

/// The Lease's name unless the configuration has another.
pub const DEFAULT_NAME: &str = "steeple-controller";

/// Longest wait for one answer.
const ATTEMPT: Duration = Duration::from_secs(5);

/// How an election goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElectionSettings {
    /// Namespace of the Lease; empty for the controller's own.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// How long a holder that says nothing keeps the Lease.
    pub lease_duration: Duration,
    /// How long a holder goes on trying to renew before it stops acting; less than `lease_duration`.
    pub renew_deadline: Duration,
    /// Pause between attempts.
    pub retry_period: Duration,
}

impl Default for ElectionSettings {
    fn default() -> Self {
        Self {
            namespace: String::new(),
            name: DEFAULT_NAME.to_owned(),
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }
}

/// A candidate.
pub(crate) struct Election {
    leases: Api<Lease>,
    settings: ElectionSettings,
    identity: String,
    clock: Clock,
    seen: Option<Seen>,
}

/// The Lease as it was when it last changed, by this machine's own clock: others' clocks are not believed.
struct Seen {
    version: String,
    since: Duration,
}

/// Why the Lease is not held.
#[derive(Debug, thiserror::Error)]
enum Missed {
    #[error("it is held by {0}")]
    Held(String),
    #[error("{0}")]
    Failed(kube::Error),
    #[error("no answer within {0:?}")]
    Late(Duration),
}

impl Election {
    /// `identity` is different for each candidate.
    pub(crate) fn new(client: Client, settings: ElectionSettings, identity: String, clock: Clock) -> Self {
        let leases = match settings.namespace.as_str() {
            "" => Api::default_namespaced(client),
            namespace => Api::namespaced(client, namespace),
        };
        Self { leases, settings, identity, clock, seen: None }
    }

    /// Waits until this candidate holds the Lease.
    pub(crate) async fn won(&mut self) {
        let mut told = String::new();
        loop {
            match self.attempt(ATTEMPT).await {
                Ok(()) => {
                    info!(
                        lease = self.settings.name,
                        identity = self.identity,
                        "Holding the Lease: this controller acts"
                    );
                    return;
                }
                Err(missed) => {
                    let reason = missed.to_string();
                    if reason != told {
                        info!(lease = self.settings.name, reason, "Waiting for the Lease");
                        told = reason;
                    }
                }
            }
            self.clock.sleep(self.settings.retry_period).await;
        }
    }

    /// Renews until that fails for too long, or somebody else has the Lease.
    pub(crate) async fn lost(&mut self) {
        let mut renewed = self.clock.monotonic();
        loop {
            self.clock.sleep(self.settings.retry_period).await;
            let begun = self.clock.monotonic();
            let left = self.settings.renew_deadline.saturating_sub(begun.saturating_sub(renewed));
            if left.is_zero() {
                warn!(lease = self.settings.name, "Lease not renewed in time: this controller stops acting");
                return;
            }
            match self.attempt(left).await {
                Ok(()) => renewed = begun,
                Err(Missed::Held(by)) => {
                    warn!(lease = self.settings.name, by, "Lost the Lease: this controller stops acting");
                    return;
                }
                Err(missed) => warn!(lease = self.settings.name, reason = %missed, "Unable to renew the Lease"),
            }
        }
    }

    /// Lets the next candidate have the Lease at once.
    pub(crate) async fn release(&mut self) {
        let released = async {
            let mut lease = self.leases.get(&self.settings.name).await?;
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() != Some(self.identity.as_str()) {
                return Ok(());
            }
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            spec.renew_time = Some(MicroTime(now(&self.clock)));
            self.leases.replace(&self.settings.name, &PostParams::default(), &lease).await.map(|_| ())
        };
        if let Ok(Err(error)) = self.clock.timeout(self.settings.retry_period, released).await {
            let error: kube::Error = error;
            warn!(lease = self.settings.name, %error, "Unable to release the Lease: the next controller waits for its end");
        }
    }

    /// Takes or renews the Lease, once.
    async fn attempt(&mut self, limit: Duration) -> Result<(), Missed> {
        let clock = self.clock.clone();
        clock.timeout(limit.min(ATTEMPT), self.take()).await.unwrap_or(Err(Missed::Late(limit.min(ATTEMPT))))
    }

    async fn take(&mut self) -> Result<(), Missed> {
        let name = self.settings.name.clone();
        let known = self.leases.get_opt(&name).await.map_err(Missed::Failed)?;
        let Some(mut lease) = known else {
            let lease = Lease {
                metadata: ObjectMeta { name: Some(name), ..ObjectMeta::default() },
                spec: Some(self.spec(None)),
            };
            return self.leases.create(&PostParams::default(), &lease).await.map(|_| ()).map_err(Missed::Failed);
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.clone().unwrap_or_default();
        if holder != self.identity && !holder.is_empty() && !self.is_over(&lease, &spec) {
            return Err(Missed::Held(holder));
        }
        lease.spec = Some(self.spec(Some(spec)));
        // The version in the metadata makes the API server refuse when somebody else was faster.
        let taken = self.leases.replace(&name, &PostParams::default(), &lease).await;
        taken.map(|_| ()).map_err(Missed::Failed)
    }

    /// Whether the holder has said nothing for the time of its Lease, since it was seen here first.
    fn is_over(&mut self, lease: &Lease, spec: &LeaseSpec) -> bool {
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let now = self.clock.monotonic();
        let seen = match &self.seen {
            Some(seen) if seen.version == version => seen.since,
            _ => now,
        };
        self.seen = Some(Seen { version, since: seen });
        let duration = u64::try_from(spec.lease_duration_seconds.unwrap_or_default()).unwrap_or_default();
        now.saturating_sub(seen) > Duration::from_secs(duration)
    }

    /// The Lease as this candidate holds it from now on.
    fn spec(&self, before: Option<LeaseSpec>) -> LeaseSpec {
        let now = now(&self.clock);
        let before = before.unwrap_or_default();
        let renews = before.holder_identity.as_deref() == Some(self.identity.as_str());
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.settings.lease_duration.as_secs()).ok(),
            acquire_time: if renews { before.acquire_time } else { Some(MicroTime(now)) },
            renew_time: Some(MicroTime(now)),
            lease_transitions: Some(before.lease_transitions.unwrap_or_default() + i32::from(!renews)),
            ..LeaseSpec::default()
        }
    }
}
