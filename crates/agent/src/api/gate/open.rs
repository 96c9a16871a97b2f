//! Calls that go on, counted as connections of their API under SPIRE's names.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::api::table::Row;
use crate::core::Core;

/// The APIs that are counted, by their services and their keys among the metrics.
const APIS: [(&str, &str); 2] =
    [("SpiffeWorkloadAPI", "workload_api"), ("envoy.service.secret.v3.SecretDiscoveryService", "sds_api")];

/// How many calls of each API go on.
#[derive(Clone, Default)]
pub(super) struct OpenCalls(Arc<[AtomicI32; APIS.len()]>);

/// A call that goes on, of an API that is counted.
pub(super) struct Open {
    core: Arc<Core>,
    counts: OpenCalls,
    api: usize,
}

impl Open {
    /// A call has begun.
    pub(super) fn new(core: &Arc<Core>, counts: &OpenCalls, row: &Row) -> Option<Self> {
        let api = APIS.iter().position(|(service, _)| *service == row.service())?;
        let this = Self { core: Arc::clone(core), counts: counts.clone(), api };
        this.core.metrics.count(&format!("{}_connection", this.key()), &[]);
        this.change(1);
        Some(this)
    }

    fn key(&self) -> &'static str {
        APIS.get(self.api).map_or("", |(_, key)| key)
    }

    fn change(&self, by: i32) {
        let Some(count) = self.counts.0.get(self.api) else { return };
        let now = count.fetch_add(by, Ordering::Relaxed) + by;
        self.core.metrics.gauge(&format!("{}_connections", self.key()), &[], f64::from(now));
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.change(-1);
    }
}
