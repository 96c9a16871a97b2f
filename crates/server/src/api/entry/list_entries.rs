//! `ListEntries` and `CountEntries`, which share their filter.

use std::sync::Arc;

use steeple_policy::access::Object;
use steeple_proto::spire::api::server::entry::v1 as pb;
use steeple_proto::spire::api::types;
use steeple_store::{EntryFilter, Page, TrustDomainMatch};
use steeple_types::Entry;
use tonic::{Code, Status};

use crate::api::access_log::fields;
use crate::api::call::Call;
use crate::api::convert::{behavior, entry_to_pb, member_id, page, selector_filter, trust_domains, workload_id};
use crate::api::status::Failure;
use crate::core::Core;

pub(super) async fn list(
    core: &Arc<Core>,
    call: &Call,
    request: pb::ListEntriesRequest,
) -> Result<pb::ListEntriesResponse, Status> {
    let filter = filter(core, call, &request.filter.unwrap_or_default())?;
    let page = page(request.page_size, request.page_token);
    let entries = core.store.read("registration_entry.list", move |tx| tx.entries(&filter, &page)).await;
    let entries = entries.map_err(|error| Failure::of(Code::Internal, "failed to list entries", error))?;
    let mask = request.output_mask.as_ref();
    Ok(pb::ListEntriesResponse {
        entries: entries
            .items
            .iter()
            .filter(|entry| sees(core, call, entry))
            .map(|entry| entry_to_pb(entry, mask))
            .collect(),
        next_page_token: entries.next_token,
    })
}

pub(super) async fn count(
    core: &Arc<Core>,
    call: &Call,
    request: pb::CountEntriesRequest,
) -> Result<pb::CountEntriesResponse, Status> {
    let asked = request.filter.unwrap_or_default();
    let filter = filter(
        core,
        call,
        &pb::list_entries_request::Filter {
            by_spiffe_id: asked.by_spiffe_id,
            by_parent_id: asked.by_parent_id,
            by_selectors: asked.by_selectors,
            by_federates_with: asked.by_federates_with,
            by_hint: asked.by_hint,
            by_downstream: asked.by_downstream,
        },
    )?;
    let count = if call.sees_everything() {
        core.store.read("registration_entry.count", move |tx| tx.count_entries(&filter)).await
    } else {
        let entries = core.store.read("registration_entry.list", move |tx| tx.entries(&filter, &Page::default())).await;
        entries.map(|entries| entries.items.iter().filter(|entry| sees(core, call, entry)).count() as u64)
    };
    let count = count.map_err(|error| Failure::of(Code::Internal, "failed to count entries", error))?;
    Ok(pb::CountEntriesResponse { count: i32::try_from(count).unwrap_or(i32::MAX) })
}

/// Whether an entry may be shown.
fn sees(core: &Core, call: &Call, entry: &Entry) -> bool {
    call.sees(Object::Entry(entry, core.settings.lifetimes()))
}

fn filter(core: &Core, call: &Call, asked: &pb::list_entries_request::Filter) -> Result<EntryFilter, Failure> {
    let mut filter = EntryFilter { downstream: asked.by_downstream, ..EntryFilter::default() };
    if let Some(hint) = &asked.by_hint {
        call.asks("hint", hint.as_str());
    }
    if let Some(downstream) = asked.by_downstream {
        call.asks("downstream", downstream);
    }
    filter.hint = asked.by_hint.clone().filter(|hint| !hint.is_empty());
    if let Some(id) = &asked.by_parent_id {
        let id = member_id(core.trust_domain(), Some(id));
        let id = id.map_err(|error| Failure::malformed("malformed parent ID filter", error))?;
        call.asks("parent_id", id.as_str());
        filter.parent_id = Some(id);
    }
    if let Some(id) = &asked.by_spiffe_id {
        let id = workload_id(core.trust_domain(), Some(id));
        let id = id.map_err(|error| Failure::malformed("malformed SPIFFE ID filter", error))?;
        call.asks("spiffe_id", id.as_str());
        filter.spiffe_id = Some(id);
    }
    if let Some(selectors) = &asked.by_selectors {
        call.asks("by_selector_match", selectors.r#match().as_str_name());
        call.asks("by_selectors", fields::selectors(&selectors.selectors));
        let selectors = selector_filter(selectors);
        filter.selectors = Some(selectors.map_err(|error| Failure::malformed("malformed selectors filter", error))?);
    }
    if let Some(federates_with) = &asked.by_federates_with {
        call.asks("federates_with_match", federates_with.r#match().as_str_name());
        call.asks("federates_with", federates_with.trust_domains.join(","));
        filter.federates_with = Some(federates_with_filter(federates_with)?);
    }
    Ok(filter)
}

fn federates_with_filter(asked: &types::FederatesWithMatch) -> Result<TrustDomainMatch, Failure> {
    let malformed = |error: String| Failure::malformed("malformed federates with filter", error);
    if asked.trust_domains.is_empty() {
        return Err(malformed("empty trust domain set".to_owned()));
    }
    let trust_domains = trust_domains(&asked.trust_domains).map_err(|error| malformed(error.to_string()))?;
    let behavior = behavior("federates with", asked.r#match).map_err(malformed)?;
    Ok(TrustDomainMatch { trust_domains, behavior })
}
