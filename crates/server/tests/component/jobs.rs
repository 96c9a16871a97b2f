//! What a running server does by itself, and how it stops.

use std::time::Duration;

use steeple_proto::spire::api::server::bundle::v1::GetBundleRequest;
use steeple_proto::spire::api::server::entry::v1::CountEntriesRequest;
use steeple_runtime::Shutdown;

use crate::bench::{Bench, at, entry, spiffe_id};

#[tokio::test]
async fn expired_entries_are_pruned() {
    let bench = Bench::new().await;
    let mut short = entry(&spiffe_id("/p"), "/w");
    short.expires_at = at(60).as_second();
    let request = steeple_proto::spire::api::server::entry::v1::BatchCreateEntryRequest {
        entries: vec![short],
        output_mask: None,
    };
    bench.local().entry().batch_create_entry(request).await.unwrap();
    let (calls, hand) = (bench.local(), bench.hand.clone());
    let mut revisions = bench.store.revisions();
    revisions.mark_unchanged();
    let shutdown = Shutdown::new();
    let watch = async {
        hand.wait_for_sleepers(9).await;
        hand.advance(Duration::from_mins(6));
        revisions.changed().await.unwrap();
        let count = calls.entry().count_entries(CountEntriesRequest::default()).await.unwrap().into_inner().count;
        shutdown.trigger();
        count
    };
    let (ended, count) = tokio::join!(bench.server.run(shutdown.clone()), watch);
    ended.unwrap();
    assert_eq!(count, 0);
}

#[tokio::test]
async fn authorities_rotate_in_time() {
    let bench = Bench::new().await;
    let (calls, hand) = (bench.local(), bench.hand.clone());
    let mut revisions = bench.store.revisions();
    revisions.mark_unchanged();
    let shutdown = Shutdown::new();
    let watch = async {
        hand.wait_for_sleepers(9).await;
        hand.advance(Duration::from_hours(13));
        loop {
            revisions.changed().await.unwrap();
            let bundle = calls.bundle().get_bundle(GetBundleRequest::default()).await.unwrap().into_inner();
            if bundle.x509_authorities.len() == 2 && bundle.jwt_authorities.len() == 2 {
                break;
            }
        }
        shutdown.trigger();
    };
    let (ended, ()) = tokio::join!(bench.server.run(shutdown.clone()), watch);
    ended.unwrap();
}
