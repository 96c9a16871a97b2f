//! What a server finds when it starts again over its own datastore and keys.

use steeple_proto::spire::api::server::bundle::v1::GetBundleRequest;
use steeple_proto::spire::api::server::entry::v1::GetAuthorizedEntriesRequest;

use crate::bench::Bench;

#[tokio::test]
async fn authorities_and_agents_are_the_same_after_a_restart() {
    let bench = Bench::new().await;
    let agent = bench.agent().await;
    let bundle = async |bench: &Bench| {
        bench.local().bundle().get_bundle(GetBundleRequest::default()).await.unwrap().into_inner()
    };
    let before = bundle(&bench).await;
    let bench = bench.restarted().await;
    assert_eq!(bundle(&bench).await, before);
    let request = GetAuthorizedEntriesRequest { output_mask: None };
    bench.remote(&agent.chain).entry().get_authorized_entries(request).await.unwrap();
}
