//! The end of a call, at which it is counted and logged.

use std::sync::Arc;
use std::time::Duration;

use steeple_audit::Actor;
use steeple_net::Peer;
use tonic::{Code, Status};

use crate::api::access_log::AccessLog;
use crate::api::call::{Bound, Call, Caller, Right};
use crate::api::table::Row;
use crate::core::Core;

/// What is to be done when a call ends.
pub(super) struct Ending {
    core: Arc<Core>,
    row: &'static Row,
    peer: Peer,
    began: Duration,
    logged: Option<(Arc<AccessLog>, tracing::Span)>,
    /// Who called by a token.
    bound: Option<Arc<Bound>>,
}

impl Ending {
    pub(super) fn new(core: Arc<Core>, row: &'static Row, peer: Peer) -> Self {
        let began = core.clock.monotonic();
        Self { core, row, peer, began, logged: None, bound: None }
    }

    /// The same for a call that was let in.
    pub(super) fn of(self, call: &Call) -> Self {
        let bound = if let Right::Bound(bound) = &call.right { Some(Arc::clone(bound)) } else { None };
        Self { logged: call.access.clone().map(|access| (access, call.span.clone())), bound, ..self }
    }

    /// The call has ended with `status`.
    pub(super) fn ended(self, status: &Status) {
        let elapsed = self.core.clock.monotonic().saturating_sub(self.began);
        self.core.metrics.rpc(self.row, status.code(), elapsed);
        self.core.measures.call(self.row, status.code(), elapsed);
        if is_denial(self.row, status.code()) {
            let at = self.core.clock.now();
            let actor = match (Caller::of(&self.peer), &self.bound) {
                (Ok(caller), Some(bound)) => bound.facts.actor(&caller),
                (Ok(caller), None) => caller.actor(),
                (Err(_), _) => Actor::Anonymous { address: None },
            };
            self.core.denials.note(at, actor, self.row.method, status.message());
        }
        if let Some((access, span)) = self.logged {
            span.in_scope(|| access.ended(status));
        }
    }
}

/// Whether somebody was denied something. A node that is refused an identity is, whatever the reason.
fn is_denial(row: &Row, code: Code) -> bool {
    match code {
        Code::PermissionDenied | Code::Unauthenticated => true,
        Code::InvalidArgument | Code::FailedPrecondition | Code::NotFound => row.name() == "AttestAgent",
        _ => false,
    }
}
