//! `GetX509AuthorityState` and `GetJWTAuthorityState`.

use std::sync::Arc;

use steeple_ca::{AuthorityKind, Status as Life};
use steeple_proto::spire::api::server::localauthority::v1 as pb;
use tonic::{Code, Status};

use super::{check_enabled, to_pb};
use crate::api::status::Failure;
use crate::core::Core;

/// The authorities of a kind.
pub(super) struct States {
    pub(super) active: Option<pb::AuthorityState>,
    pub(super) prepared: Option<pb::AuthorityState>,
    pub(super) old: Option<pb::AuthorityState>,
}

pub(super) fn handle(core: &Arc<Core>, kind: AuthorityKind) -> Result<States, Status> {
    check_enabled(core, kind)?;
    let states = core.authorities.states(kind);
    let active = states.active.ok_or_else(|| Failure::new(Code::Unavailable, "server is initializing"))?;
    let (prepared, old) = match states.next {
        Some(next) if next.status == Life::Prepared => (Some(next), None),
        next => (None, next),
    };
    Ok(States { active: Some(to_pb(active)), prepared: prepared.map(to_pb), old: old.map(to_pb) })
}
