//! `BatchUpdateEntry`.

use steeple_proto::spire::api::server::entry::v1 as pb;
use steeple_proto::spire::api::types;

use crate::bench::{Bench, spiffe_id};

async fn update(
    bench: &Bench,
    entry: types::Entry,
    input_mask: Option<types::EntryMask>,
) -> (i32, String, types::Entry) {
    let request = pb::BatchUpdateEntryRequest { entries: vec![entry], input_mask, output_mask: None };
    let mut results = bench.local().entry().batch_update_entry(request).await.unwrap().into_inner().results;
    let result = results.remove(0);
    let status = result.status.unwrap();
    (status.code, status.message, result.entry.unwrap_or_default())
}

#[tokio::test]
async fn whole_update_replaces_and_counts_up_even_without_change() {
    let bench = Bench::new().await;
    let parent = bench.agent().await.id;
    let mut entry = bench.entry(&parent, "/w").await;
    entry.x509_svid_ttl = 60;
    let (code, _, updated) = update(&bench, entry.clone(), None).await;
    assert_eq!((code, updated.x509_svid_ttl, updated.revision_number), (0, 60, 1));
    let (_, _, again) = update(&bench, updated.clone(), None).await;
    assert_eq!(again, types::Entry { revision_number: 2, ..updated });
}

#[tokio::test]
async fn mask_keeps_the_rest_and_what_it_leaves_out_is_not_looked_at() {
    let bench = Bench::new().await;
    let parent = bench.agent().await.id;
    let entry = bench.entry(&parent, "/w").await;
    let change = types::Entry {
        id: entry.id.clone(),
        hint: "external".to_owned(),
        dns_names: vec!["not..a-name".to_owned()],
        jwt_svid_ttl: -5,
        ..Default::default()
    };
    let mask = types::EntryMask { hint: true, ..Default::default() };
    let (code, message, updated) = update(&bench, change, Some(mask)).await;
    assert_eq!((code, message.as_str()), (0, "OK"));
    assert_eq!(updated, types::Entry { hint: "external".to_owned(), revision_number: 1, ..entry });
}

#[tokio::test]
async fn missing_entry_is_not_found() {
    let bench = Bench::new().await;
    let mut entry = crate::bench::entry(&spiffe_id("/parent"), "/w");
    for id in ["nobody", "", "a b"] {
        entry.id = id.to_owned();
        let (code, message, _) = update(&bench, entry.clone(), None).await;
        assert_eq!((code, message.as_str()), (5, "failed to update entry"), "{id:?}");
    }
}
