//! `BatchCreateEntry` and `BatchDeleteEntry`.

use steeple_proto::spire::api::server::entry::v1 as pb;
use steeple_proto::spire::api::types;

use crate::bench::{Bench, entry, spiffe_id};

async fn create(bench: &Bench, entry: types::Entry) -> (i32, String, Option<types::Entry>) {
    let request = pb::BatchCreateEntryRequest { entries: vec![entry], output_mask: None };
    let mut results = bench.local().entry().batch_create_entry(request).await.unwrap().into_inner().results;
    let result = results.remove(0);
    let status = result.status.unwrap();
    (status.code, status.message, result.entry)
}

#[tokio::test]
async fn similar_entry_comes_back_with_the_refusal() {
    let bench = Bench::new().await;
    let parent = bench.agent().await.id;
    let (code, message, first) = create(&bench, entry(&parent, "/w")).await;
    assert_eq!((code, message.as_str()), (0, "OK"));
    let mut again = entry(&parent, "/w");
    again.x509_svid_ttl = 60;
    let (code, message, existing) = create(&bench, again).await;
    assert_eq!((code, message.as_str()), (6, "similar entry already exists"));
    assert_eq!(existing, first);
}

#[tokio::test]
async fn own_ids_are_taken_and_no_two_entries_have_the_same() {
    let bench = Bench::new().await;
    let parent = bench.agent().await.id;
    let named = |path: &str, id: &str| types::Entry { id: id.to_owned(), ..entry(&parent, path) };
    let (code, _, made) = create(&bench, named("/w", "mine")).await;
    assert_eq!((code, made.unwrap().id.as_str()), (0, "mine"));
    let (code, message, _) = create(&bench, named("/v", "mine")).await;
    let text = "failed to create entry: datastore-sql: UNIQUE constraint failed: registered_entries.entry_id";
    assert_eq!((code, message.as_str()), (6, text));
    let (code, message, _) = create(&bench, named("/v", "a b")).await;
    let rule = "datastore-validation: invalid registration entry: entry ID contains invalid characters";
    assert_eq!((code, message), (3, format!("failed to create entry: {rule}")));
}

#[tokio::test]
async fn what_no_entry_may_be_is_refused_by_name() {
    let bench = Bench::new().await;
    let parent = bench.agent().await.id;
    let whole = entry(&parent, "/w");
    let selector = |kind: &str, value: &str| types::Selector { r#type: kind.to_owned(), value: value.to_owned() };
    let id = |id: Option<types::Spiffeid>| types::Entry { spiffe_id: id, ..whole.clone() };
    let by = |selectors: Vec<types::Selector>| types::Entry { selectors, ..whole.clone() };
    let (converting, creating) = ("failed to convert entry: ", "failed to create entry: datastore-validation: ");
    let reserved = concat!(
        "invalid spiffe ID: \"spiffe://example.org/spire/x\" is not a workload in trust domain \"example.org\"; ",
        "path is in the reserved namespace"
    );
    for (bad, prefix, reason) in [
        (id(None), converting, "invalid spiffe ID: request must specify SPIFFE ID"),
        (id(Some(spiffe_id("/spire/x"))), converting, reserved),
        (
            types::Entry { parent_id: None, ..whole.clone() },
            converting,
            "invalid parent ID: request must specify SPIFFE ID",
        ),
        (by(vec![]), converting, "selector list is empty"),
        (by(vec![selector("", "x")]), converting, "missing selector type"),
        (by(vec![selector("a:b", "x")]), converting, "selector type contains ':'"),
        (by(vec![selector("unix", "")]), converting, "missing selector value"),
        (
            types::Entry { hint: "h".repeat(1025), ..whole.clone() },
            converting,
            "hint is too long, max length is 1024 characters",
        ),
        (
            types::Entry { x509_svid_ttl: -1, ..whole.clone() },
            creating,
            "invalid registration entry: X509SvidTtl is not set",
        ),
        (
            types::Entry { jwt_svid_ttl: -1, ..whole.clone() },
            creating,
            "invalid registration entry: JwtSvidTtl is not set",
        ),
        (
            types::Entry { store_svid: true, ..by(vec![selector("a", "x"), selector("b", "x")]) },
            creating,
            "invalid registration entry: selector types must be the same when store SVID is enabled",
        ),
    ] {
        let (code, message, made) = create(&bench, bad).await;
        assert_eq!((code, message, made), (3, format!("{prefix}{reason}"), None));
    }
    let unknown = types::Entry { federates_with: vec!["other.example".to_owned()], ..whole };
    let (code, message, _) = create(&bench, unknown).await;
    let text = "failed to create entry: unable to find federated bundle \"spiffe://other.example\"";
    assert_eq!((code, message.as_str()), (13, text));
}

#[tokio::test]
async fn deleted_entries_are_gone_and_missing_ones_not_found() {
    let bench = Bench::new().await;
    let parent = bench.agent().await.id;
    let id = bench.entry(&parent, "/w").await.id;
    let ids = vec![id.clone(), id, String::new(), "a b".to_owned()];
    let request = pb::BatchDeleteEntryRequest { ids };
    let results = bench.local().entry().batch_delete_entry(request).await.unwrap().into_inner().results;
    let said: Vec<(i32, String)> =
        results.into_iter().map(|result| result.status.unwrap()).map(|status| (status.code, status.message)).collect();
    let texts = [(0, "OK"), (5, "entry not found"), (3, "missing entry ID"), (5, "entry not found")];
    assert_eq!(said, texts.map(|(code, text)| (code, text.to_owned())));
}
