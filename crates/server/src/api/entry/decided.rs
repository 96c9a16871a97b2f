//! Writes of entries that are decided about by what is stored, and done only if that is still so.

use std::sync::Arc;

use steeple_audit::Actor;
use steeple_policy::access::Object;
use steeple_store::Unit;
use steeple_store::units::{EntryMask, IfEntry};
use steeple_types::{Entry, EntryId};
use tonic::Code;

use crate::api::call::Call;
use crate::api::status::Failure;
use crate::core::Core;

/// Decides about the stored entry `id`, and about what `change` would make of it. The write goes on only if the entry is still the
/// one that was decided about.
pub(super) async fn decide<U: Unit>(
    core: &Arc<Core>,
    call: &Call,
    unit: U,
    id: &EntryId,
    change: Option<(&Entry, EntryMask)>,
) -> Result<(Actor, IfEntry<U>), Failure> {
    if call.sees_everything() {
        return Ok((call.may(&[])?, IfEntry { stored: None, unit }));
    }
    let asked = id.clone();
    let stored = core.store.read("registration_entry.fetch", move |tx| tx.entry(&asked)).await;
    let stored = stored.map_err(|error| Failure::of(Code::Internal, "failed to fetch entry", error))?;
    let stored = stored.ok_or_else(|| Failure::new(Code::NotFound, "entry not found"))?;
    let lifetimes = core.settings.lifetimes();
    let actor = match change {
        None => call.may(&[Object::Entry(&stored, lifetimes)])?,
        Some((entry, mask)) => {
            let mut resulting = stored.clone();
            mask.apply(&mut resulting, entry);
            call.may(&[Object::Entry(&stored, lifetimes), Object::Entry(&resulting, lifetimes)])?
        }
    };
    Ok((actor, IfEntry { stored: Some(stored), unit }))
}
