//! For each RPC a call that does what it is for, and what it must leave in the trail.

mod access;
mod agents;
mod authorities;
mod bundles;
mod entries;
mod others;
mod svids;

use steeple_net::Answers;
use steeple_server::Row;

use super::every_rpc::{Left, Rig};

/// Calls the RPC; none if there is no case for it.
pub(super) async fn case<A: Answers>(row: &Row, rig: &Rig<A>) -> Option<Vec<Left>> {
    match row.full_service() {
        "steeple.server.access.v1.Access" => access::case(row.name(), rig).await,
        "spire.api.server.agent.v1.Agent" => agents::case(row.name(), rig).await,
        "spire.api.server.bundle.v1.Bundle" => bundles::case(row.name(), rig).await,
        "spire.api.server.entry.v1.Entry" => entries::case(row.name(), rig).await,
        "spire.api.server.localauthority.v1.LocalAuthority" => authorities::case(row.name(), rig).await,
        "spire.api.server.svid.v1.SVID" => svids::case(row.name(), rig).await,
        _ => others::case(row.method, rig).await,
    }
}

/// What is not implemented leaves nothing.
fn unimplemented<T>(outcome: Result<T, tonic::Status>) -> Vec<Left> {
    assert_eq!(crate::bench::refused(outcome).0, tonic::Code::Unimplemented);
    Vec::new()
}
