//! What a server does by itself, each job in its own file.

mod follow_bundles;
mod follow_changes;
mod follow_upstream;
mod notify_bundle_updated;
mod prune_bundle;
mod prune_ca_journals;
mod prune_changes;
mod prune_entries;
mod prune_nodes;
mod publish_bundle;
mod refresh_bundles;
mod rotate_authorities;
mod rotate_server_svid;

pub(crate) use follow_bundles::{follow_bundles, load_bundles};
pub(crate) use follow_changes::{FollowChanges, follow_changes};
pub(crate) use follow_upstream::follow_upstream;
pub(crate) use notify_bundle_updated::notify_bundle_updated;
pub(crate) use prune_bundle::prune_bundle;
pub(crate) use prune_ca_journals::prune_ca_journals;
pub(crate) use prune_changes::prune_changes;
pub(crate) use prune_entries::prune_entries;
pub(crate) use prune_nodes::prune_nodes;
pub(crate) use publish_bundle::publish_bundle;
pub(crate) use refresh_bundles::refresh_bundles;
pub(crate) use rotate_authorities::{MAX_FAILURES, RotateAuthorities, rotate_authorities};
pub(crate) use rotate_server_svid::{Ingredients, rotate_server_svid, server_svid};

use std::sync::Arc;

use steeple_audit::{Actor, EventKind};
use tracing::error;

use crate::core::Core;

/// Records that something is about to be pruned; if that fails nothing may be.
async fn may_prune(core: &Arc<Core>, what: &'static str) -> bool {
    let recorded = core.audit.record(core.clock.now(), Actor::Server, EventKind::Pruned { what }).await;
    if let Err(error) = &recorded {
        error!(%error, what, "Nothing is pruned, since it can't be recorded");
    }
    recorded.is_ok()
}
