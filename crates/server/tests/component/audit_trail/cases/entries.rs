//! The Entry service.

use serde_json::json;
use steeple_net::Answers;
use steeple_proto::spire::api::server::entry::v1 as pb;
use steeple_proto::spire::api::types;

use crate::audit_trail::every_rpc::{Left, Rig, by_local};
use crate::bench::{entry, spiffe_id};

pub(super) async fn case<A: Answers>(name: &str, rig: &Rig<A>) -> Option<Vec<Left>> {
    let (mut local, id) = (rig.local.entry(), rig.entry.id.clone());
    rig.begin();
    Some(match name {
        "CountEntries" => {
            local.count_entries(pb::CountEntriesRequest::default()).await.unwrap();
            Vec::new()
        }
        "ListEntries" => {
            local.list_entries(pb::ListEntriesRequest::default()).await.unwrap();
            Vec::new()
        }
        "GetEntry" => {
            local.get_entry(pb::GetEntryRequest { id, output_mask: None }).await.unwrap();
            Vec::new()
        }
        "GetAuthorizedEntries" => {
            rig.agent.entry().get_authorized_entries(pb::GetAuthorizedEntriesRequest::default()).await.unwrap();
            Vec::new()
        }
        "SyncAuthorizedEntries" => {
            let request = tokio_stream::iter([pb::SyncAuthorizedEntriesRequest::default()]);
            let mut answer = rig.agent.entry().sync_authorized_entries(request).await.unwrap().into_inner();
            while answer.message().await.unwrap().is_some() {}
            Vec::new()
        }
        "BatchCreateEntry" => {
            let entries = ["/a", "/b"].map(|path| entry(&rig.agent_id, path)).to_vec();
            let request = pb::BatchCreateEntryRequest { entries, output_mask: None };
            let made = local.batch_create_entry(request).await.unwrap().into_inner().results;
            let left = |result: pb::batch_create_entry_response::Result| {
                let entry = result.entry.unwrap();
                let spiffe_id = format!("spiffe://example.org{}", entry.spiffe_id.unwrap().path);
                by_local("entry_created", json!({ "entry_id": entry.id, "spiffe_id": spiffe_id, "entry": null }))
            };
            made.into_iter().flat_map(left).collect()
        }
        "BatchUpdateEntry" => {
            let changed = types::Entry { id: id.clone(), x509_svid_ttl: 77, ..entry(&spiffe_id("/x"), "/x") };
            let input_mask = Some(types::EntryMask { x509_svid_ttl: true, ..Default::default() });
            let request = pb::BatchUpdateEntryRequest { entries: vec![changed], input_mask, output_mask: None };
            local.batch_update_entry(request).await.unwrap();
            let data = json!({ "entry_id": id, "entry": null, "members": ["x509_svid_ttl"] });
            by_local("entry_updated", data)
        }
        "BatchDeleteEntry" => {
            local.batch_delete_entry(pb::BatchDeleteEntryRequest { ids: vec![id.clone()] }).await.unwrap();
            by_local("entry_deleted", json!({ "entry_id": id }))
        }
        _ => return None,
    })
}
