//! Bundles of other trust domains: create, update, set, delete, list, get.

use steeple_proto::spire::api::server::bundle::v1 as pb;
use steeple_proto::spire::api::server::bundle::v1::batch_delete_federated_bundle_request::Mode;
use steeple_proto::spire::api::server::entry::v1 as entries;
use steeple_proto::spire::api::types;
use tonic::Code;

use crate::bench::{Bench, entry, refused, spiffe_id};

pub(crate) fn bundle(name: &str) -> types::Bundle {
    types::Bundle { trust_domain: name.to_owned(), refresh_hint: 60, sequence_number: 7, ..Default::default() }
}

async fn create(bench: &Bench, bundle: types::Bundle) -> (i32, String) {
    let request = pb::BatchCreateFederatedBundleRequest { bundle: vec![bundle], output_mask: None };
    let mut results = bench.local().bundle().batch_create_federated_bundle(request).await.unwrap().into_inner().results;
    let status = results.remove(0).status.unwrap();
    (status.code, status.message)
}

#[tokio::test]
async fn bundles_are_created_once_updated_when_there_and_set_always() {
    let bench = Bench::new().await;
    assert_eq!(create(&bench, bundle("other.example")).await, (0, "OK".to_owned()));
    assert_eq!(create(&bench, bundle("other.example")).await, (6, "bundle already exists".to_owned()));
    let own = "creating a federated bundle for the server's own trust domain is not allowed".to_owned();
    assert_eq!(create(&bench, bundle("example.org")).await, (3, own));

    let update = async |bundle: types::Bundle| {
        let input_mask = Some(types::BundleMask { refresh_hint: true, ..Default::default() });
        let request = pb::BatchUpdateFederatedBundleRequest { bundle: vec![bundle], input_mask, output_mask: None };
        bench.local().bundle().batch_update_federated_bundle(request).await.unwrap().into_inner().results.remove(0)
    };
    let changed = types::Bundle { refresh_hint: 90, sequence_number: 99, ..bundle("other.example") };
    let updated = update(changed).await.bundle.unwrap();
    assert_eq!((updated.refresh_hint, updated.sequence_number), (90, 7));
    let missing = update(bundle("third.example")).await.status.unwrap();
    assert_eq!((missing.code, missing.message.as_str()), (5, "bundle not found"));

    let request = pb::BatchSetFederatedBundleRequest { bundle: vec![bundle("third.example")], output_mask: None };
    let set = bench.local().bundle().batch_set_federated_bundle(request).await.unwrap().into_inner().results.remove(0);
    assert_eq!((set.status.unwrap().code, set.bundle), (0, Some(bundle("third.example"))));
    let list = bench.local().bundle().list_federated_bundles(pb::ListFederatedBundlesRequest::default()).await.unwrap();
    let names: Vec<String> = list.into_inner().bundles.into_iter().map(|bundle| bundle.trust_domain).collect();
    assert_eq!(names, ["other.example", "third.example"]);
    let count = bench.local().bundle().count_bundles(pb::CountBundlesRequest::default()).await.unwrap().into_inner();
    assert_eq!(count.count, 3, "the own one counts");
}

#[tokio::test]
async fn own_bundle_is_left_out_after_paging() {
    let bench = Bench::new().await;
    create(&bench, bundle("other.example")).await;
    let request = pb::ListFederatedBundlesRequest { page_size: 1, ..Default::default() };
    let page = bench.local().bundle().list_federated_bundles(request).await.unwrap().into_inner();
    assert_eq!((page.bundles.len(), page.next_page_token.is_empty()), (0, false));
}

#[tokio::test]
async fn deletion_respects_entries_as_told() {
    let bench = Bench::new().await;
    create(&bench, bundle("other.example")).await;
    let federating = types::Entry { federates_with: vec!["other.example".to_owned()], ..entry(&spiffe_id("/p"), "/w") };
    let request = entries::BatchCreateEntryRequest { entries: vec![federating], output_mask: None };
    bench.local().entry().batch_create_entry(request).await.unwrap();
    let delete = async |mode: Mode| {
        let trust_domains = vec!["other.example".to_owned()];
        let request = pb::BatchDeleteFederatedBundleRequest { mode: mode.into(), trust_domains };
        let answer = bench.local().bundle().batch_delete_federated_bundle(request).await.unwrap().into_inner();
        let status = answer.results[0].status.clone().unwrap();
        (status.code, status.message)
    };
    let (code, text) = delete(Mode::Restrict).await;
    assert_eq!(code, 9);
    assert!(text.ends_with("cannot delete bundle; federated with 1 registration entries"), "{text}");
    assert_eq!(delete(Mode::Dissociate).await, (0, "OK".to_owned()));
    let left = bench.local().entry().list_entries(entries::ListEntriesRequest::default()).await.unwrap().into_inner();
    assert_eq!((left.entries.len(), left.entries[0].federates_with.len()), (1, 0));
    assert_eq!(delete(Mode::Delete).await, (5, "bundle not found".to_owned()));
}

#[tokio::test]
async fn agents_may_read_bundles_of_others() {
    let bench = Bench::new().await;
    let agent = bench.agent().await;
    create(&bench, bundle("other.example")).await;
    let get = async |name: &str| {
        let request = pb::GetFederatedBundleRequest { trust_domain: name.to_owned(), output_mask: None };
        bench.remote(&agent.chain).bundle().get_federated_bundle(request).await.map(tonic::Response::into_inner)
    };
    assert_eq!(get("other.example").await.unwrap(), bundle("other.example"));
    assert_eq!(refused(get("third.example").await), (Code::NotFound, "bundle not found".to_owned()));
    let own = "getting a federated bundle for the server's own trust domain is not allowed".to_owned();
    assert_eq!(refused(get("example.org").await), (Code::InvalidArgument, own));
}
