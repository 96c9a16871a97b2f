//! From objects as text to what an index makes of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use steeple_registration::crd::{ClusterFederatedTrustDomain, ClusterSpiffeId, ClusterStaticEntry, WorkloadIdentity};
use steeple_registration::{
    Change, Class, Cluster, Desired, DesiredEntry, EndpointsObject, NamespaceObject, NodeObject, PodObject, RuleKey,
    RuleKind, Settings,
};
use steeple_template::{Functions, Template};
use steeple_types::TrustDomain;

#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) config: Config,
    pub(crate) objects: Vec<Value>,
    pub(crate) expect: Observed,
    pub(crate) ours: Option<String>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Config {
    trust_domain: String,
    cluster_name: String,
    cluster_domain: String,
    ignore_namespaces: Vec<String>,
    class_name: String,
    watch_classless: bool,
    #[serde(rename = "parentIDTemplate")]
    parent_id_template: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            trust_domain: "example.org".to_owned(),
            cluster_name: "demo-cluster".to_owned(),
            cluster_domain: String::new(),
            ignore_namespaces: Vec::new(),
            class_name: String::new(),
            watch_classless: false,
            parent_id_template: String::new(),
        }
    }
}

#[derive(Debug, Default, PartialEq, Deserialize)]
pub(crate) struct Observed {
    pub(crate) entries: Vec<EntryText>,
    #[serde(default)]
    pub(crate) statuses: BTreeMap<String, Value>,
}

/// An entry as the table writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct EntryText {
    #[serde(rename = "spiffeID")]
    spiffe_id: String,
    #[serde(rename = "parentID")]
    parent_id: String,
    selectors: Vec<String>,
    #[serde(rename = "x509SVIDTTL")]
    x509_svid_ttl: u32,
    #[serde(rename = "jwtSVIDTTL")]
    jwt_svid_ttl: u32,
    federates_with: Vec<String>,
    dns_names: Vec<String>,
    admin: bool,
    downstream: bool,
    hint: String,
    #[serde(rename = "storeSVID")]
    store_svid: bool,
}

impl EntryText {
    pub(crate) fn of(entry: &DesiredEntry) -> Self {
        Self {
            spiffe_id: entry.key.spiffe_id.to_string(),
            parent_id: entry.key.parent_id.to_string(),
            selectors: entry.key.selectors.iter().map(ToString::to_string).collect(),
            x509_svid_ttl: entry.x509_svid_ttl,
            jwt_svid_ttl: entry.jwt_svid_ttl,
            federates_with: entry.federates_with.iter().map(|domain| domain.name().to_owned()).collect(),
            dns_names: entry.dns_names.clone(),
            admin: entry.admin,
            downstream: entry.downstream,
            hint: entry.hint.clone(),
            store_svid: entry.store_svid,
        }
    }
}

pub(crate) fn settings(config: &Config) -> Settings {
    let parent = Some(&config.parent_id_template).filter(|text| !text.is_empty());
    let parent = parent.map(|text| Template::parse(text, &Functions::BUILTIN).unwrap());
    let trust_domain = TrustDomain::parse(&config.trust_domain).unwrap();
    Settings {
        cluster: Cluster::new(trust_domain, &config.cluster_name, &config.cluster_domain, parent),
        ignore_namespaces: config.ignore_namespaces.iter().map(|text| regex::Regex::new(text).unwrap()).collect(),
        class: Class { name: config.class_name.clone(), watch_classless: config.watch_classless },
    }
}

pub(crate) fn desired(config: &Config, objects: &[Value]) -> Desired {
    let mut desired = Desired::new(settings(config));
    for object in objects {
        desired.apply(change(object));
    }
    desired
}

pub(crate) fn change(object: &Value) -> Change {
    match object["kind"].as_str().unwrap() {
        "Pod" => Change::Pod(PodObject::new(&read(object))),
        "Namespace" => Change::Namespace(NamespaceObject::new(&read(object))),
        "Node" => Change::Node(NodeObject::new(&read(object))),
        "Endpoints" => Change::Endpoints(EndpointsObject::of_endpoints(&read(object))),
        "ClusterSPIFFEID" => Change::ClusterSpiffeId(Box::new(read::<ClusterSpiffeId>(object))),
        "WorkloadIdentity" => Change::WorkloadIdentity(Box::new(read::<WorkloadIdentity>(object))),
        "ClusterStaticEntry" => Change::ClusterStaticEntry(Box::new(read::<ClusterStaticEntry>(object))),
        "ClusterFederatedTrustDomain" => {
            Change::ClusterFederatedTrustDomain(Box::new(read::<ClusterFederatedTrustDomain>(object)))
        }
        other => panic!("{other}"),
    }
}

fn read<T: DeserializeOwned>(object: &Value) -> T {
    serde_json::from_value(object.clone()).unwrap_or_else(|error| panic!("{error}: {object}"))
}

pub(crate) fn key(object: &Value) -> Option<RuleKey> {
    let kind = match object["kind"].as_str()? {
        "ClusterSPIFFEID" => RuleKind::ClusterSpiffeId,
        "WorkloadIdentity" => RuleKind::WorkloadIdentity,
        "ClusterStaticEntry" => RuleKind::ClusterStaticEntry,
        "ClusterFederatedTrustDomain" => RuleKind::ClusterFederatedTrustDomain,
        _ => return None,
    };
    let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
    Some(RuleKey { kind, namespace: text("namespace"), name: text("name") })
}

/// Entries in order, and the status of each object that asks for some.
pub(crate) fn observe(desired: &Desired, objects: &[Value]) -> Observed {
    let mut entries: Vec<EntryText> = desired.entries().map(|claimed| EntryText::of(claimed.entry)).collect();
    entries.sort();
    let statuses = objects.iter().filter_map(key).filter_map(|key| Some((key.to_string(), status(desired, &key)?)));
    Observed { entries, statuses: statuses.collect() }
}

fn status(desired: &Desired, key: &RuleKey) -> Option<Value> {
    let counts = desired.counts(key).unwrap_or_default();
    match key.kind {
        RuleKind::ClusterSpiffeId => Some(json!({
            "namespacesSelected": counts.namespaces_selected,
            "namespacesIgnored": counts.namespaces_ignored,
            "podsSelected": counts.pods_selected,
            "podEntryRenderFailures": counts.pod_entry_render_failures,
            "entriesMasked": counts.entries_masked,
            "entriesToSet": counts.entries_to_set,
            "entryFailures": 0,
        })),
        RuleKind::WorkloadIdentity => Some(json!({
            "podsSelected": counts.pods_selected,
            "podEntryRenderFailures": counts.pod_entry_render_failures,
            "entriesMasked": counts.entries_masked,
            "entriesToSet": counts.entries_to_set,
        })),
        // Whether the entry is set is the server's to say, which takes all here.
        RuleKind::ClusterStaticEntry => {
            let masked = desired.is_masked(key);
            Some(json!({
                "rendered": masked.is_some(),
                "masked": masked == Some(true),
                "set": masked == Some(false),
            }))
        }
        RuleKind::ClusterFederatedTrustDomain => None,
    }
}
