//! Both halves in conversation, over an API server that is a fake.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use async_trait::async_trait;
use k8s_openapi::api::authentication::v1::{TokenReviewStatus, UserInfo};
use k8s_openapi::api::core::v1::{Node, Pod};
use serde_json::json;
use steeple_k8s::ApiServer;
use steeple_k8s::fake::{FakeApiServer, Known};
use steeple_plugin::{AgentNodeAttestor, Conversation, ErrorClass, NodeAttestor, NodeClaims, Origin, PluginError};

use super::{K8sPsatAgent, K8sPsatAgentConfig, K8sPsatCluster, K8sPsatServer};

const TOKEN: &str = "header.body.signature";

/// There is no challenge in this attestation.
struct Silent;

#[async_trait]
impl Conversation for Silent {
    async fn challenge(&mut self, _challenge: Vec<u8>) -> Result<Vec<u8>, PluginError> {
        panic!("no challenge is expected")
    }
}

fn status() -> TokenReviewStatus {
    serde_json::from_value(json!({
        "authenticated": true,
        "audiences": ["spire-server"],
        "user": {
            "username": "system:serviceaccount:spire:spire-agent",
            "extra": {
                "authentication.kubernetes.io/pod-name": ["agent-x"],
                "authentication.kubernetes.io/pod-uid": ["pod-uid-1"],
            },
        },
    }))
    .unwrap()
}

fn pod() -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "agent-x", "namespace": "spire", "uid": "pod-uid-1", "labels": {"app": "agent", "secret": "s"}},
        "spec": {"nodeName": "node1", "containers": []},
        "status": {"hostIP": "10.0.0.7"},
    }))
    .unwrap()
}

fn node() -> Node {
    serde_json::from_value(json!({
        "metadata": {"name": "node1", "uid": "node-uid-1", "labels": {"zone": "a", "other": "o"}},
    }))
    .unwrap()
}

async fn api() -> FakeApiServer {
    let mut known = Known::default();
    known.tokens.insert(TOKEN.to_owned(), status());
    known.pods.insert(("spire".to_owned(), "agent-x".to_owned()), pod());
    known.nodes.insert("node1".to_owned(), node());
    FakeApiServer::start(known).await.unwrap()
}

fn cluster(api_server: ApiServer) -> K8sPsatCluster {
    let set = |text: &str| BTreeSet::from([text.to_owned()]);
    K8sPsatCluster {
        service_accounts: set("spire:spire-agent"),
        audiences: vec![K8sPsatCluster::DEFAULT_AUDIENCE.to_owned()],
        api_server,
        node_labels: set("zone"),
        pod_labels: set("app"),
        use_pod_uid_for_agent_id: false,
    }
}

async fn payload(cluster: &str, token: &str) -> Result<Vec<u8>, PluginError> {
    let folder = tempfile::tempdir().unwrap();
    let token_path = folder.path().join("token");
    std::fs::write(&token_path, token).unwrap();
    let agent = K8sPsatAgent::new(K8sPsatAgentConfig { cluster: cluster.to_owned(), token_path })?;
    Ok(agent.begin().await?.payload())
}

async fn attest(cluster: K8sPsatCluster, payload: &[u8]) -> Result<NodeClaims, PluginError> {
    let server = K8sPsatServer::new(BTreeMap::from([("prod".to_owned(), cluster)]))?;
    server.attest(payload, &Origin::default(), &mut Silent).await
}

/// What is refused when the API server says `status` of the token.
async fn refusal(status: TokenReviewStatus) -> String {
    let api = api().await;
    api.known(|known| known.tokens.insert(TOKEN.to_owned(), status));
    let sent = payload("prod", TOKEN).await.unwrap();
    attest(cluster(api.api_server()), &sent).await.unwrap_err().message
}

fn user(change: impl FnOnce(&mut UserInfo)) -> TokenReviewStatus {
    let mut status = status();
    change(status.user.as_mut().unwrap());
    status
}

#[tokio::test]
async fn token_of_an_allowed_pod_tells_node_and_selectors() {
    let api = api().await;
    let sent = payload("prod", TOKEN).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&sent), r#"{"cluster":"prod","token":"header.body.signature"}"#);
    let claims = attest(cluster(api.api_server()), &sent).await.unwrap();
    assert_eq!(claims.agent_path, "/k8s_psat/prod/node-uid-1");
    assert!(claims.can_reattest);
    let expected = [
        "cluster:prod",
        "agent_ns:spire",
        "agent_sa:spire-agent",
        "agent_pod_name:agent-x",
        "agent_pod_uid:pod-uid-1",
        "agent_node_ip:10.0.0.7",
        "agent_node_name:node1",
        "agent_node_uid:node-uid-1",
        "agent_node_label:zone:a",
        "agent_pod_label:app:agent",
    ];
    assert_eq!(claims.selector_values, expected);
    assert_eq!(api.known(|known| known.reviewed.clone()), [Some(vec!["spire-server".to_owned()])]);
}

#[tokio::test]
async fn agents_id_can_name_its_pod() {
    let api = api().await;
    let sent = payload("prod", TOKEN).await.unwrap();
    let cluster = K8sPsatCluster { use_pod_uid_for_agent_id: true, ..cluster(api.api_server()) };
    assert_eq!(attest(cluster, &sent).await.unwrap().agent_path, "/k8s_psat/prod/pod/pod-uid-1");
}

#[tokio::test]
async fn no_audience_stands_for_the_api_servers_own() {
    let api = api().await;
    let sent = payload("prod", TOKEN).await.unwrap();
    let cluster = K8sPsatCluster { audiences: Vec::new(), ..cluster(api.api_server()) };
    attest(cluster, &sent).await.unwrap();
    assert_eq!(api.known(|known| known.reviewed.clone()), [None]);
}

#[tokio::test]
async fn tokens_that_prove_too_little_are_refused() {
    let other = TokenReviewStatus { audiences: Some(vec!["other".to_owned()]), ..status() };
    assert_eq!(
        refusal(other).await,
        "unable to validate token with TokenReview API for cluster \"prod\": token review API did not validate audience: wanted one of \
         [\"spire-server\"] but got [\"other\"]"
    );
    let unaware = TokenReviewStatus { audiences: None, ..status() };
    assert!(refusal(unaware).await.ends_with("wanted one of [\"spire-server\"] but got []"));
    let failed = TokenReviewStatus { error: Some("no".to_owned()), ..status() };
    assert!(refusal(failed).await.ends_with("token review API response contains an error: no"));
    let unauthentic = "token not authenticated according to TokenReview API for cluster \"prod\"";
    assert_eq!(refusal(TokenReviewStatus::default()).await, unauthentic);
    let named = |name: &str| {
        let name = name.to_owned();
        user(|user| user.username = Some(name))
    };
    assert_eq!(
        refusal(named("system:serviceaccount:spire:other")).await,
        "\"spire:other\" is not an allowed service account for cluster \"prod\""
    );
    for (name, reason) in [
        ("", "empty username"),
        ("jane", "unexpected username format: jane"),
        ("oidc:x:spire:spire-agent", "unexpected username format: oidc:x:spire:spire-agent"),
        ("system:serviceaccount::a", "missing namespace"),
        ("system:serviceaccount:spire:", "missing service account name"),
    ] {
        assert_eq!(
            refusal(named(name)).await,
            format!("failed to parse username from token review status for cluster \"prod\": {reason}")
        );
    }
}

#[tokio::test]
async fn tokens_bound_to_no_pod_or_another_are_refused() {
    let extra = |key: &str, values: &[&str]| {
        let (key, values) = (key.to_owned(), values.iter().map(|&value| value.to_owned()).collect::<Vec<_>>());
        user(|user| {
            user.extra.as_mut().unwrap().insert(format!("authentication.kubernetes.io/{key}"), values);
        })
    };
    assert!(refusal(user(|user| user.extra = None)).await.ends_with("missing pod name"));
    assert!(refusal(extra("pod-name", &["a", "b"])).await.ends_with("expected 1 name but got: 2"));
    assert!(refusal(extra("pod-name", &[""])).await.ends_with("pod name is empty"));
    assert!(refusal(extra("pod-uid", &[])).await.ends_with("expected 1 UID but got: 0"));
    assert_eq!(
        refusal(extra("pod-uid", &["pod-uid-0"])).await,
        "pod UID mismatch for pod \"agent-x\" in cluster \"prod\": token bound to pod UID \"pod-uid-0\""
    );
    assert!(
        refusal(extra("pod-name", &["gone"]))
            .await
            .starts_with("failed to get pod from k8s API server for cluster \"prod\": ")
    );
}

#[tokio::test]
async fn payloads_that_are_none_are_refused() {
    let api = api().await;
    for (payload, reason) in [
        ("", "failed to unmarshal data payload: "),
        ("7", "failed to unmarshal data payload: "),
        ("{}", "missing cluster in attestation data"),
        (r#"{"cluster":"prod"}"#, "missing token in attestation data"),
        (r#"{"cluster":"test","token":"x"}"#, "not configured for cluster \"test\""),
    ] {
        let error = attest(cluster(api.api_server()), payload.as_bytes()).await.unwrap_err();
        assert!(error.message.starts_with(reason), "{payload}: {error}");
        assert_eq!(error.class, ErrorClass::Malformed);
    }
    let huge = format!(r#"{{"cluster":"prod","token":"{}"}}"#, "a".repeat(70_000));
    assert!(attest(cluster(api.api_server()), huge.as_bytes()).await.unwrap_err().message.contains("larger than"));
}

#[tokio::test]
async fn an_api_server_that_cannot_be_reached_is_no_yes() {
    let sent = payload("prod", TOKEN).await.unwrap();
    let nowhere = ApiServer::Kubeconfig(Path::new("/nonexistent/kubeconfig").to_path_buf());
    let error = attest(cluster(nowhere), &sent).await.unwrap_err();
    assert!(error.message.contains("unable to create client config: /nonexistent/kubeconfig"), "{error}");
    assert_eq!(error.class, ErrorClass::Internal);
}

#[tokio::test]
async fn configurations_that_let_nobody_in_are_refused() {
    let open = K8sPsatCluster { service_accounts: BTreeSet::new(), ..cluster(ApiServer::InCluster) };
    let error = K8sPsatServer::new(BTreeMap::from([("prod".to_owned(), open)])).err().unwrap();
    assert_eq!(error.message, "cluster \"prod\" configuration must have at least one service account allowed");
    assert_eq!(payload("", TOKEN).await.unwrap_err().message, "missing required cluster block");
    let error = payload("prod", "").await.unwrap_err();
    assert!(error.message.starts_with("unable to load token from "), "{error}");
    assert!(error.message.ends_with(" is empty"), "{error}");
}

#[tokio::test]
async fn token_of_a_pod_elsewhere_attests_its_own_node() {
    let api = api().await;
    let moved: Pod = serde_json::from_value(json!({
        "metadata": {"name": "agent-x", "namespace": "spire", "uid": "pod-uid-1"}, "spec": {"nodeName": "node2", "containers": []},
    }))
    .unwrap();
    api.known(|known| known.pods.insert(("spire".to_owned(), "agent-x".to_owned()), moved));
    // Which node it is for the API server says, whatever the payload claims.
    let mut sent: serde_json::Value = serde_json::from_slice(&payload("prod", TOKEN).await.unwrap()).unwrap();
    sent["node"] = json!("node1");
    sent["node_uid"] = json!("node-uid-1");
    let error = attest(cluster(api.api_server()), sent.to_string().as_bytes()).await.unwrap_err();
    assert!(error.message.starts_with("failed to get node from k8s API server for cluster \"prod\": "), "{error}");
    let second: Node = serde_json::from_value(json!({"metadata": {"name": "node2", "uid": "node-uid-2"}})).unwrap();
    api.known(|known| known.nodes.insert("node2".to_owned(), second));
    let claims = attest(cluster(api.api_server()), sent.to_string().as_bytes()).await.unwrap();
    assert_eq!(claims.agent_path, "/k8s_psat/prod/node-uid-2");
}

#[tokio::test]
async fn clusters_vouch_for_their_own_tokens_only() {
    let (one, two) = (api().await, api().await);
    two.known(|known| known.tokens.clear());
    let clusters = [("one", cluster(one.api_server())), ("two", cluster(two.api_server()))];
    let clusters = clusters.map(|(name, cluster)| (name.to_owned(), cluster)).into_iter().collect();
    let server = K8sPsatServer::new(clusters).unwrap();
    let attest = async |name: &str| {
        let sent = payload(name, TOKEN).await.unwrap();
        server.attest(&sent, &Origin::default(), &mut Silent).await
    };
    assert_eq!(attest("one").await.unwrap().agent_path, "/k8s_psat/one/node-uid-1");
    let error = attest("two").await.unwrap_err();
    assert_eq!(error.message, "token not authenticated according to TokenReview API for cluster \"two\"");
}
