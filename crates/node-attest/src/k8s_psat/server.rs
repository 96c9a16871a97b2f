//! The server's half: asks the cluster's API server about the token, its pod and that pod's node.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, PostParams};
use kube::{Client, Resource};
use steeple_k8s::ApiServer;
use steeple_plugin::{Conversation, ErrorClass, NodeAttestor, NodeClaims, Origin, PluginError};

use super::review::{self, Bearer};
use super::{NAME, Payload};
use crate::error;

/// Longest payload read, in bytes. A projected token has about one kilobyte.
const MAX_PAYLOAD: usize = 64 << 10;

/// A cluster whose agents may attest.
#[derive(Clone, Debug)]
pub struct K8sPsatCluster {
    /// Service accounts whose pods may attest, as `namespace:name` (`service_account_allow_list`).
    pub service_accounts: BTreeSet<String>,
    /// Audiences of which the token must have one; none stands for the API server's own (`audience`).
    pub audiences: Vec<String>,
    /// Where the API server is (`kube_config_file`).
    pub api_server: ApiServer,
    /// Labels of nodes that become selectors (`allowed_node_label_keys`).
    pub node_labels: BTreeSet<String>,
    /// Labels of pods that become selectors (`allowed_pod_label_keys`).
    pub pod_labels: BTreeSet<String>,
    /// Whether an agent's ID names its pod instead of its node (`use_pod_uid_for_agent_id`).
    pub use_pod_uid_for_agent_id: bool,
}

impl K8sPsatCluster {
    /// The audience that agents' tokens have when none is configured.
    pub const DEFAULT_AUDIENCE: &str = "spire-server";
}

/// The server's half.
pub struct K8sPsatServer {
    clusters: BTreeMap<String, K8sPsatCluster>,
}

impl K8sPsatServer {
    /// An attestor for agents of `clusters`, which are there by their names.
    ///
    /// # Errors
    /// [`PluginError`] for a cluster that no service account may attest from.
    pub fn new(clusters: BTreeMap<String, K8sPsatCluster>) -> Result<Self, PluginError> {
        if let Some((name, _)) = clusters.iter().find(|(_, cluster)| cluster.service_accounts.is_empty()) {
            let message = format!("cluster {name:?} configuration must have at least one service account allowed");
            return Err(error(NAME, ErrorClass::Malformed, message));
        }
        Ok(Self { clusters })
    }
}

#[async_trait]
impl NodeAttestor for K8sPsatServer {
    fn name(&self) -> &str {
        NAME
    }

    async fn attest(
        &self,
        payload: &[u8],
        _origin: &Origin,
        _conversation: &mut dyn Conversation,
    ) -> Result<NodeClaims, PluginError> {
        let payload = parse(payload)?;
        let Some(cluster) = self.clusters.get(&payload.cluster) else {
            return Err(malformed(format!("not configured for cluster {:?}", payload.cluster)));
        };
        let client = cluster.api_server.connect().await;
        let client =
            client.map_err(|reason| unreviewed(&payload.cluster, &format!("unable to get clientset: {reason}")))?;
        let bearer = bearer(&client, cluster, &payload).await?;
        let namespaced = Api::<Pod>::namespaced(client.clone(), &bearer.namespace);
        let pod = get(&namespaced, &bearer.pod_name, ("pod", "pods"), &payload.cluster).await?;
        if pod.meta().uid.as_deref() != Some(bearer.pod_uid.as_str()) {
            // A pod of the same name that came later, perhaps on another node, is not the one that was given the token.
            let message = format!(
                "pod UID mismatch for pod {:?} in cluster {:?}: token bound to pod UID {:?}",
                bearer.pod_name, payload.cluster, bearer.pod_uid
            );
            return Err(error(NAME, ErrorClass::Denied, message));
        }
        let node_name = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default();
        let node = get(&Api::<Node>::all(client), &node_name, ("node", "nodes"), &payload.cluster).await?;
        let node_uid = node.meta().uid.clone().unwrap_or_default();
        if node_uid.is_empty() {
            return Err(internal(format!("node UID is empty for cluster {:?}", payload.cluster)));
        }
        Ok(NodeClaims {
            agent_path: if cluster.use_pod_uid_for_agent_id {
                format!("/{NAME}/{}/pod/{}", payload.cluster, bearer.pod_uid)
            } else {
                format!("/{NAME}/{}/{node_uid}", payload.cluster)
            },
            selector_values: selectors(&payload.cluster, cluster, &bearer, &pod, &node),
            can_reattest: true,
            join_token: None,
        })
    }
}

fn parse(payload: &[u8]) -> Result<Payload, PluginError> {
    if payload.len() > MAX_PAYLOAD {
        return Err(malformed(format!("attestation payload is larger than {MAX_PAYLOAD} bytes")));
    }
    let payload: Payload = serde_json::from_slice(payload)
        // The reason names a position, never the token.
        .map_err(|reason| malformed(format!("failed to unmarshal data payload: {reason}")))?;
    if payload.cluster.is_empty() {
        return Err(malformed("missing cluster in attestation data".to_owned()));
    }
    if payload.token.is_empty() {
        return Err(malformed("missing token in attestation data".to_owned()));
    }
    Ok(payload)
}

/// Who bears the token, as far as the API server vouches for it and the cluster's configuration allows it.
async fn bearer(client: &Client, cluster: &K8sPsatCluster, payload: &Payload) -> Result<Bearer, PluginError> {
    let name = &payload.cluster;
    let audiences = (!cluster.audiences.is_empty()).then(|| cluster.audiences.clone());
    let spec = TokenReviewSpec { token: payload.token.to_string(), audiences };
    let request = TokenReview { spec, ..TokenReview::default() };
    let answer = Api::<TokenReview>::all(client.clone()).create(&PostParams::default(), &request).await;
    let answer = answer.map_err(|reason| unreviewed(name, &format!("unable to query token review API: {reason}")))?;
    let status = review::status(answer, &cluster.audiences).map_err(|reason| unreviewed(name, &reason))?;
    if !status.authenticated.unwrap_or_default() {
        let message = format!("token not authenticated according to TokenReview API for cluster {name:?}");
        return Err(error(NAME, ErrorClass::Denied, message));
    }
    let user = status.user.unwrap_or_default();
    let unusable = |what: &str| {
        let what = what.to_owned();
        move |reason: String| internal(format!("failed to {what} token review status for cluster {name:?}: {reason}"))
    };
    let (namespace, service_account) = review::service_account(&user).map_err(unusable("parse username from"))?;
    let full_name = format!("{namespace}:{service_account}");
    if !cluster.service_accounts.contains(&full_name) {
        let message = format!("{full_name:?} is not an allowed service account for cluster {name:?}");
        return Err(error(NAME, ErrorClass::Denied, message));
    }
    Ok(Bearer {
        namespace,
        service_account,
        pod_name: review::pod_name(&user).map_err(unusable("get pod name from"))?,
        pod_uid: review::pod_uid(&user).map_err(unusable("get pod UID from"))?,
    })
}

fn unreviewed(cluster: &str, reason: &str) -> PluginError {
    internal(format!("unable to validate token with TokenReview API for cluster {cluster:?}: {reason}"))
}

async fn get<K>(api: &Api<K>, name: &str, (what, plural): (&str, &str), cluster: &str) -> Result<K, PluginError>
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let failed = |reason: String| {
        internal(format!("failed to get {what} from k8s API server for cluster {cluster:?}: {reason}"))
    };
    if name.is_empty() {
        return Err(failed(format!("empty {what} name")));
    }
    api.get(name).await.map_err(|reason| failed(format!("unable to query {plural} API: {reason}")))
}

fn selectors(name: &str, cluster: &K8sPsatCluster, bearer: &Bearer, pod: &Pod, node: &Node) -> Vec<String> {
    let host_ip = pod.status.as_ref().and_then(|status| status.host_ip.as_deref()).unwrap_or_default();
    let node_name = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or_default();
    let mut values = vec![
        format!("cluster:{name}"),
        format!("agent_ns:{}", bearer.namespace),
        format!("agent_sa:{}", bearer.service_account),
        format!("agent_pod_name:{}", bearer.pod_name),
        format!("agent_pod_uid:{}", bearer.pod_uid),
        format!("agent_node_ip:{host_ip}"),
        format!("agent_node_name:{node_name}"),
        format!("agent_node_uid:{}", node.meta().uid.as_deref().unwrap_or_default()),
    ];
    let labels = |kind: &str, labels: &Option<BTreeMap<String, String>>, allowed: &BTreeSet<String>| {
        let labels = labels.iter().flatten().filter(|(key, _)| allowed.contains(*key));
        labels.map(|(key, value)| format!("{kind}:{key}:{value}")).collect::<Vec<_>>()
    };
    values.extend(labels("agent_node_label", &node.meta().labels, &cluster.node_labels));
    values.extend(labels("agent_pod_label", &pod.meta().labels, &cluster.pod_labels));
    values
}

fn malformed(message: String) -> PluginError {
    error(NAME, ErrorClass::Malformed, message)
}

fn internal(message: String) -> PluginError {
    error(NAME, ErrorClass::Internal, message)
}
