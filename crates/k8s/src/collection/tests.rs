//! A collection of an API server that is a fake.

#![expect(clippy::unwrap_used, reason = "what a test asks for is there")]

use serde_json::{Value, json};
use steeple_clock::Clock;

use super::*;
use crate::fake::{FakeApiServer, FakeCollection, Known};

const PATH: &str = "/api/v1/things";

fn collection(limit: usize) -> Collection {
    Collection { path: PATH.to_owned(), fields: None, labels: None, metadata_only: false, limit }
}

async fn server() -> (FakeApiServer, FakeCollection) {
    let api = FakeApiServer::start(Known::default()).await.unwrap();
    let things = api.collection(PATH);
    (api, things)
}

fn thing(name: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"a": "b"}}, "spec": {"x": 1}})
}

/// Follows until `enough` changes were told.
async fn followed(collection: &Collection, api: &FakeApiServer, enough: usize) -> Vec<Change<Value>> {
    let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
    let (clock, server) = (Clock::system(), api.api_server());
    let follow = collection.follow(&server, &clock, |change| send.send(change).unwrap());
    let mut changes = Vec::new();
    tokio::pin!(follow);
    while changes.len() < enough {
        tokio::select! {
            error = &mut follow => panic!("{error}"),
            change = receive.recv() => changes.extend(change),
        }
    }
    changes
}

async fn refusal(collection: &Collection, api: &FakeApiServer) -> FollowError {
    collection.follow::<Value>(&api.api_server(), &Clock::system(), |_| {}).await
}

#[tokio::test]
async fn all_pages_are_read_before_changes_are_told() {
    let (api, things) = server().await;
    for number in 0..600 {
        things.put(thing(&format!("t{number:03}")));
    }
    let changes = followed(&collection(600), &api, 1).await;
    let Some(Change::All(all)) = changes.first() else { panic!("{changes:?}") };
    assert_eq!(all.len(), 600);
    assert_eq!(things.asked().lists, 3);
    let error = refusal(&collection(599), &api).await;
    assert_eq!(error.to_string(), "/api/v1/things: more than 599 objects");
}

#[tokio::test]
async fn metadata_alone_can_be_asked_for() {
    let (api, things) = server().await;
    things.put(thing("one"));
    let collection = Collection { metadata_only: true, ..collection(9) };
    let changes = followed(&collection, &api, 1).await;
    let Some(Change::All(all)) = changes.first() else { panic!("{changes:?}") };
    assert_eq!((&all[0]["metadata"]["labels"]["a"], &all[0]["spec"]), (&json!("b"), &Value::Null));
    let one: Value = collection.object(&api.api_server(), &Clock::system(), "one").await.unwrap();
    assert_eq!((&one["metadata"]["name"], &one["spec"]), (&json!("one"), &Value::Null));
    let error = collection.object::<Value>(&api.api_server(), &Clock::system(), "two").await.unwrap_err();
    assert_eq!(error.to_string(), "/api/v1/things: 404 Not Found");
}

#[tokio::test]
async fn what_a_server_refuses_is_told_apart() {
    let (api, things) = server().await;
    for (status, is_forbidden) in [(403, true), (401, false), (500, false)] {
        things.refuse(Some(status));
        let error = refusal(&collection(9), &api).await;
        assert_eq!((error.is_forbidden(), error.is_expired()), (is_forbidden, false), "{error}");
    }
    things.refuse(None);
    things.put(thing("one"));
    things.forget_changes();
    // Listed at the version that the server has: nothing is missing. Later it forgets what came after that.
    let (clock, server) = (Clock::system(), api.api_server());
    let all = collection(9);
    let follow = all.follow::<Value>(&server, &clock, |_| {
        things.forget_changes();
        things.end_streams();
    });
    assert!(follow.await.is_expired());
}

#[tokio::test]
async fn stream_that_falls_silent_has_gone_away() {
    let (api, things) = server().await;
    let (clock, manual) = Clock::manual(jiff::Timestamp::UNIX_EPOCH);
    let (all, server) = (collection(9), api.api_server());
    let (told, mut seen) = tokio::sync::watch::channel(0);
    let follow = all.follow::<Value>(&server, &clock, |_| told.send_modify(|count| *count += 1));
    // What the stream tells comes after the list; then the next piece is waited for.
    let silence = async {
        things.wait_until_asked(|asked| asked.watches == 1).await;
        things.put(thing("a"));
        seen.wait_for(|count| *count == 2).await.unwrap();
        manual.advance(SILENCE);
        std::future::pending::<FollowError>().await
    };
    let error = tokio::select! {
        error = follow => error,
        error = silence => error,
    };
    assert_eq!(error.to_string(), "/api/v1/things: no answer within 90 s");
}
