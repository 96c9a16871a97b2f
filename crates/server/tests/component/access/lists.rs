//! Lists and counts show what the caller may see.

use steeple_proto::spire::api::server as pb;
use steeple_types::TrustDomain;

use super::{chain, person, pod, scoped, stored};
use crate::bench::Bench;

async fn bundle(bench: &Bench, name: &str) {
    let bundle = steeple_types::Bundle {
        trust_domain: TrustDomain::from_name(name).unwrap(),
        x509_authorities: vec![],
        jwt_authorities: vec![],
        refresh_hint: 0,
        sequence_number: 0,
    };
    bench.store.write(steeple_store::units::SetBundle { bundle }).await.unwrap();
}

fn as_count(length: usize) -> i32 {
    i32::try_from(length).unwrap()
}

#[tokio::test]
async fn viewer_sees_what_lies_in_the_scope() {
    let agents = r#"path = ["/spire/agent/join_token"]"#;
    let bindings = [
        person("a", "viewer", r#"path = ["/ns/a"]"#),
        person("agents", "viewer", agents),
        person("all", "viewer", r#"flags = ["alias", "admin", "downstream", "store_svid"]"#),
        person("one", "viewer", r#"federates_with = ["one.example"]"#),
    ];
    let bench = scoped(&bindings.concat()).await;
    bench.agent().await;
    for name in ["one.example", "two.example"] {
        bundle(&bench, name).await;
    }
    let own = stored(&bench, pod("/ns/a/x", "a")).await;
    let other = stored(&bench, pod("/ns/ab/x", "ab")).await;
    for (name, entries, agents, bundles) in [("a", 1, 0, 0), ("agents", 0, 1, 0), ("all", 2, 1, 3), ("one", 2, 1, 1)] {
        let calls = bench.remote(&chain(&bench, &format!("/people/{name}")).await);
        let (mut entry, mut agent, mut bundle) = (calls.entry(), calls.agent(), calls.bundle());
        let listed = entry.list_entries(pb::entry::v1::ListEntriesRequest::default()).await.unwrap().into_inner();
        let counted = entry.count_entries(pb::entry::v1::CountEntriesRequest::default()).await.unwrap().into_inner();
        assert_eq!((listed.entries.len(), counted.count), (entries, as_count(entries)), "{name}");
        let listed = agent.list_agents(pb::agent::v1::ListAgentsRequest::default()).await.unwrap().into_inner();
        let counted = agent.count_agents(pb::agent::v1::CountAgentsRequest::default()).await.unwrap().into_inner();
        assert_eq!((listed.agents.len(), counted.count), (agents, as_count(agents)), "{name}");
        let counted = bundle.count_bundles(pb::bundle::v1::CountBundlesRequest {}).await.unwrap().into_inner();
        assert_eq!(counted.count, bundles, "{name}");
        let request = pb::bundle::v1::ListFederatedBundlesRequest::default();
        let listed = bundle.list_federated_bundles(request).await.unwrap().into_inner().bundles.len();
        assert_eq!(as_count(listed), if bundles == 3 { 2 } else { bundles }, "{name}");
    }
    let calls = bench.remote(&chain(&bench, "/people/a").await);
    let get = async |id: &str| {
        calls.entry().get_entry(pb::entry::v1::GetEntryRequest { id: id.to_owned(), output_mask: None }).await
    };
    assert_eq!(get(&own.id).await.unwrap().into_inner().id, own.id);
    let refused = get(&other.id).await.unwrap_err();
    assert!(refused.message().ends_with(r#"binding "a": path: /ns/ab/x lies not under /ns/a"#), "{refused:?}");
}
