//! The end of a call, at which it is counted and logged.

use std::sync::Arc;
use std::time::Duration;

use tonic::Status;

use crate::api::access_log::AccessLog;
use crate::api::call::Call;
use crate::api::table::Row;
use crate::core::Core;

/// What is to be done when a call ends.
pub(super) struct Ending {
    core: Arc<Core>,
    row: &'static Row,
    began: Duration,
    logged: Option<(Arc<AccessLog>, tracing::Span)>,
}

impl Ending {
    pub(super) fn new(core: Arc<Core>, row: &'static Row) -> Self {
        let began = core.clock.monotonic();
        Self { core, row, began, logged: None }
    }

    /// The same for a call that was let in.
    pub(super) fn of(self, call: &Call) -> Self {
        Self { logged: call.access.clone().map(|access| (access, call.span.clone())), ..self }
    }

    /// The call has ended with `status`.
    pub(super) fn ended(self, status: &Status) {
        let elapsed = self.core.clock.monotonic().saturating_sub(self.began);
        self.core.metrics.rpc(self.row, status.code(), elapsed);
        self.core.measures.call(self.row, status.code(), elapsed);
        if let Some((access, span)) = self.logged {
            span.in_scope(|| access.ended(status));
        }
    }
}
