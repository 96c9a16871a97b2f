//! The controller's configuration: spire-controller-manager's file of kind `ControllerManagerConfig`.

mod file;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use regex::Regex;
use steeple_config::parse_duration;
use steeple_template::{Functions, Template};
use steeple_types::{IdError, TrustDomain};

use crate::owned::OwnedIds;
use file::{ControllerManagerFile, GoDuration};

const API_VERSION: &str = "spire.spiffe.io/v1alpha1";
const KIND: &str = "ControllerManagerConfig";
/// How often the server's entries are compared with what is wanted, when nothing else asks for it.
const GC_INTERVAL: Duration = Duration::from_secs(10);
/// Longest answer of the server that is taken, bytes: gRPC's own bound.
const MAX_CALL_RECV_MSG_SIZE: usize = 4 << 20;
/// Longest pattern and longest compiled pattern of `ignoreNamespaces`, bytes.
const PATTERN_SIZE: usize = 1 << 20;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It is no YAML, or a key has a value of the wrong type.
    #[error("could not decode file into runtime.Object: {0}")]
    Malformed(String),
    /// It is the configuration of something else.
    #[error("apiVersion {api_version:?} and kind {kind:?} are not {API_VERSION:?} and {KIND:?}")]
    OtherKind {
        /// What the file says.
        api_version: String,
        /// What the file says.
        kind: String,
    },
    /// `trustDomain` is absent.
    #[error("trust domain is required configuration")]
    MissingTrustDomain,
    /// `trustDomain` names none.
    #[error("invalid trust domain name {name:?}: {reason}")]
    TrustDomain {
        /// What the file says.
        name: String,
        /// The rule that it breaks.
        reason: IdError,
    },
    /// `clusterName` is absent.
    #[error("cluster name is required configuration")]
    MissingClusterName,
    /// `validatingWebhookConfigurationName` is empty.
    #[error("validating webhook configuration name is required configuration")]
    MissingWebhookName,
    /// An element of `ignoreNamespaces` is no pattern.
    #[error("unable to compile ignore namespaces regex: {0}")]
    IgnoreNamespaces(String),
    /// `parentIDTemplate` is no template.
    #[error("unable to parse parent ID template: {0}")]
    ParentIdTemplate(#[from] steeple_template::ParseError),
    /// Both ways to name the namespaces that are watched.
    #[error("cacheNamespace or cacheNamespaces can be used, but not both")]
    TwoCaches,
    /// A replica that leads needs an API server.
    #[error("the Leader election is not possible with static manifests")]
    LeaderOfManifests,
    /// Pods need an API server.
    #[error("ClusterSPIFFEID reconciliation is not possible with static manifests")]
    PodsOfManifests,
    /// What is ours would be cleaned up.
    #[error("if entryIDPrefixCleanup is specified, it can not be the same value as entryIDPrefix")]
    CleansOwnPrefix,
    /// A duration is none.
    #[error("{key}: {reason}")]
    Duration {
        /// Key of the file.
        key: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A number is out of its range.
    #[error("{key} is {value}; it is at least {least}")]
    Number {
        /// Key of the file.
        key: &'static str,
        /// What the file says.
        value: i64,
        /// Least value.
        least: i64,
    },
}

/// The controller's configuration.
#[derive(Clone, Debug)]
pub struct ControllerManagerConfig {
    /// Name of the cluster, part of the IDs of its agents.
    pub cluster_name: String,
    /// Domain of the cluster, such as `cluster.local`; to be found out by DNS when not given.
    pub cluster_domain: Option<String>,
    /// Trust domain of the server.
    pub trust_domain: TrustDomain,
    /// Patterns of namespaces whose pods get nothing from the rules.
    pub ignore_namespaces: Vec<Regex>,
    /// Name of the webhook's configuration.
    pub validating_webhook_configuration_name: String,
    /// How often the server's entries are compared with what is wanted, when nothing else asks for it.
    pub gc_interval: Duration,
    /// The server's socket; `None` stands for [`ControllerManagerConfig::DEFAULT_SOCKET`], or what a flag says.
    pub spire_server_socket_path: Option<PathBuf>,
    /// `debug`, `info`, `warn` or `error`.
    pub log_level: String,
    /// `console` or `json`.
    pub log_encoding: String,
    /// Longest answer of the server that is taken, bytes.
    pub max_call_recv_msg_size: usize,
    /// Which objects this controller acts on.
    pub class: Class,
    /// Template of the agents' IDs; `None` stands for those that `k8s_psat` gives.
    pub parent_id_template: Option<Template>,
    /// Kinds that are followed.
    pub reconcile: Reconcile,
    /// Which of the server's entries are the controller's.
    pub owned_ids: OwnedIds,
    /// Directory of manifests that are read instead of an API server's objects.
    pub static_manifest_path: Option<PathBuf>,
    /// Whether variables of the environment are put into these manifests.
    pub expand_env_static_manifests: bool,
    /// Whether rendered entries are remembered. Without effect here: the index always does.
    pub enable_entry_render_cache: bool,
    /// How many are remembered. Without effect here.
    pub entry_render_cache_size: usize,
    /// How often all objects are listed anew; never by default.
    pub sync_period: Option<Duration>,
    /// Who leads among several replicas.
    pub leader_election: LeaderElection,
    /// Namespaces that are watched, with their selectors; all when empty.
    pub cache_namespaces: BTreeMap<String, CacheNamespace>,
    /// Longest wait for work in progress at the end; [`Duration::MAX`] for any.
    pub graceful_shutdown: Duration,
    /// Longest wait for the first lists.
    pub cache_sync_timeout: Duration,
    /// Address of the metrics, `None` for none.
    pub metrics_bind_address: Option<String>,
    /// Address of the probes, `None` for none.
    pub health_probe_bind_address: Option<String>,
    /// Path of the readiness probe.
    pub readiness_endpoint_name: String,
    /// Path of the liveness probe.
    pub liveness_endpoint_name: String,
    /// Port of the webhook.
    pub webhook_port: u16,
    /// Address of the webhook, all when empty.
    pub webhook_host: String,
    /// Keys of the file that nobody knows. spire-controller-manager passes over them in silence; they are worth a line
    /// in the log.
    pub unknown_keys: Vec<String>,
    /// Keys of the file that are known and have no effect here.
    pub idle_keys: Vec<&'static str>,
}

/// Which objects a controller acts on, by their `className`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Class {
    /// The class; empty for that of objects without one.
    pub name: String,
    /// Whether objects without a class are meant too.
    pub watch_classless: bool,
}

impl Class {
    /// Whether an object of this `className` is meant.
    pub fn takes(&self, class_name: &str) -> bool {
        (class_name.is_empty() && self.watch_classless) || class_name == self.name
    }
}

/// Kinds that are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconcile {
    /// ClusterSPIFFEIDs, and with them WorkloadIdentities.
    pub cluster_spiffe_ids: bool,
    /// ClusterFederatedTrustDomains.
    pub cluster_federated_trust_domains: bool,
    /// ClusterStaticEntries.
    pub cluster_static_entries: bool,
}

/// Who leads among several replicas; the times are controller-runtime's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderElection {
    /// Whether there is an election.
    pub leader_elect: bool,
    /// How long others wait before they take over from a silent leader.
    pub lease_duration: Duration,
    /// How long a leader tries to renew before it gives up.
    pub renew_deadline: Duration,
    /// How long between attempts.
    pub retry_period: Duration,
    /// Name of the lease.
    pub resource_name: String,
    /// Namespace of the lease; that of the pod when empty.
    pub resource_namespace: String,
}

/// What is watched of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheNamespace {
    /// Labels that objects must have.
    pub label_selectors: BTreeMap<String, String>,
    /// Fields that objects must have.
    pub field_selectors: BTreeMap<String, String>,
}

impl ControllerManagerConfig {
    /// The server's socket when neither file nor flag names one.
    pub const DEFAULT_SOCKET: &'static str = "/spire-server/api.sock";

    /// Reads a configuration, YAML or JSON. Variables of the environment are not replaced here: see
    /// [`steeple_config::expand_env`].
    ///
    /// # Errors
    /// [`ConfigError`] with spire-controller-manager's text where it has one.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let malformed = |reason: String| ConfigError::Malformed(reason);
        let value: serde_json::Value = serde_saphyr::from_str(text).map_err(|error| malformed(error.to_string()))?;
        let unknown_keys = file::unknown_keys(&value);
        let file: ControllerManagerFile =
            serde_json::from_value(value).map_err(|error| malformed(error.to_string()))?;
        Self::from_file(file, unknown_keys)
    }

    fn from_file(file: ControllerManagerFile, unknown_keys: Vec<String>) -> Result<Self, ConfigError> {
        check_kind(&file)?;
        let idle_keys = idle_keys(&file);
        let reconcile = reconcile(&file)?;
        let trust_domain = trust_domain(file.trust_domain.as_deref().unwrap_or_default())?;
        let cluster_name = non_empty(file.cluster_name).ok_or(ConfigError::MissingClusterName)?;
        let webhook_name = match file.validating_webhook_configuration_name {
            None => "spire-controller-manager-webhook".to_owned(),
            Some(name) if name.is_empty() => return Err(ConfigError::MissingWebhookName),
            Some(name) => name,
        };
        let prefix = file.entry_id_prefix.as_deref().unwrap_or_default();
        let owned_ids = OwnedIds::new(prefix, file.entry_id_prefix_cleanup.as_deref());
        let parent_id_template = non_empty(file.parent_id_template);
        let parent_id_template =
            parent_id_template.map(|text| Template::parse(&text, &Functions::BUILTIN)).transpose()?;
        let gc_interval = duration("gcInterval", file.gc_interval.as_ref())?;
        let metrics = file.metrics.unwrap_or_default();
        let health = file.health.unwrap_or_default();
        let webhook = file.webhook.unwrap_or_default();
        let controller = file.controller.unwrap_or_default();
        Ok(Self {
            cluster_name,
            cluster_domain: non_empty(file.cluster_domain),
            trust_domain,
            ignore_namespaces: ignore_namespaces(file.ignore_namespaces)?,
            validating_webhook_configuration_name: webhook_name,
            gc_interval: gc_interval
                .filter(|interval| !interval.is_zero() && *interval != Duration::MAX)
                .unwrap_or(GC_INTERVAL),
            spire_server_socket_path: non_empty(file.spire_server_socket_path).map(PathBuf::from),
            log_level: file.log_level.unwrap_or_else(|| "info".to_owned()),
            log_encoding: file.log_encoding.unwrap_or_else(|| "console".to_owned()),
            max_call_recv_msg_size: receive_bound(file.grpc.unwrap_or_default().max_call_recv_msg_size)?,
            class: Class {
                name: file.class_name.unwrap_or_default(),
                watch_classless: file.watch_classless.unwrap_or_default(),
            },
            parent_id_template,
            reconcile,
            owned_ids: owned_ids.ok_or(ConfigError::CleansOwnPrefix)?,
            static_manifest_path: file.static_manifest_path.map(PathBuf::from),
            expand_env_static_manifests: file.expand_env_static_manifests.unwrap_or_default(),
            enable_entry_render_cache: file.enable_entry_render_cache.unwrap_or_default(),
            entry_render_cache_size: cache_size(file.entry_render_cache_size),
            sync_period: duration("syncPeriod", file.sync_period.as_ref())?,
            leader_election: leader_election(file.leader_election.unwrap_or_default())?,
            cache_namespaces: cache_namespaces(file.cache_namespace, file.cache_namespaces)?,
            graceful_shutdown: duration("gracefulShutDown", file.graceful_shut_down.as_ref())?
                .unwrap_or(Duration::from_secs(30)),
            cache_sync_timeout: duration("controller.cacheSyncTimeout", controller.cache_sync_timeout.as_ref())?
                .unwrap_or(Duration::from_mins(2)),
            metrics_bind_address: address(metrics.bind_address, Some(":8080")),
            health_probe_bind_address: address(health.health_probe_bind_address, None),
            readiness_endpoint_name: path(health.readiness_endpoint_name, "/readyz"),
            liveness_endpoint_name: path(health.liveness_endpoint_name, "/healthz"),
            webhook_port: webhook_port(webhook.port)?,
            webhook_host: webhook.host.unwrap_or_default(),
            unknown_keys,
            idle_keys,
        })
    }
}

/// The cluster's domain, from what DNS calls `kubernetes.default.svc`: `cluster.local` from
/// `kubernetes.default.svc.cluster.local.`.
pub fn cluster_domain_of_cname(cname: &str) -> Option<&str> {
    let domain = cname.strip_prefix("kubernetes.default.svc.")?;
    Some(domain.strip_suffix('.').unwrap_or(domain)).filter(|domain| !domain.is_empty())
}

fn check_kind(file: &ControllerManagerFile) -> Result<(), ConfigError> {
    let api_version = file.api_version.as_deref().unwrap_or(API_VERSION);
    let kind = file.kind.as_deref().unwrap_or(KIND);
    if api_version == API_VERSION && kind == KIND {
        return Ok(());
    }
    Err(ConfigError::OtherKind { api_version: api_version.to_owned(), kind: kind.to_owned() })
}

fn idle_keys(file: &ControllerManagerFile) -> Vec<&'static str> {
    let controller = file.controller.clone().unwrap_or_default();
    let election = file.leader_election.clone().unwrap_or_default();
    let webhook = file.webhook.clone().unwrap_or_default();
    let all = [
        ("enableEntryRenderCache", file.enable_entry_render_cache.is_some()),
        ("entryRenderCacheSize", file.entry_render_cache_size.is_some()),
        ("controller.groupKindConcurrency", controller.group_kind_concurrency.is_some()),
        ("controller.recoverPanic", controller.recover_panic.is_some()),
        ("leaderElection.resourceLock", election.resource_lock.is_some_and(|lock| lock != "leases")),
        ("webhook.certDir", webhook.cert_dir.is_some_and(|directory| !directory.is_empty())),
    ];
    all.into_iter().filter_map(|(key, given)| given.then_some(key)).collect()
}

fn reconcile(file: &ControllerManagerFile) -> Result<Reconcile, ConfigError> {
    let from_manifests = file.static_manifest_path.is_some();
    let reconcile = match &file.reconcile {
        None => Reconcile {
            cluster_spiffe_ids: !from_manifests,
            cluster_federated_trust_domains: true,
            cluster_static_entries: true,
        },
        Some(given) => Reconcile {
            cluster_spiffe_ids: given.cluster_spiffe_ids.unwrap_or_default(),
            cluster_federated_trust_domains: given.cluster_federated_trust_domains.unwrap_or_default(),
            cluster_static_entries: given.cluster_static_entries.unwrap_or_default(),
        },
    };
    let elects = file.leader_election.as_ref().and_then(|election| election.leader_elect).unwrap_or_default();
    match from_manifests {
        true if elects => Err(ConfigError::LeaderOfManifests),
        true if reconcile.cluster_spiffe_ids => Err(ConfigError::PodsOfManifests),
        _ => Ok(reconcile),
    }
}

fn trust_domain(name: &str) -> Result<TrustDomain, ConfigError> {
    if name.is_empty() {
        return Err(ConfigError::MissingTrustDomain);
    }
    TrustDomain::parse(name).map_err(|reason| ConfigError::TrustDomain { name: name.to_owned(), reason })
}

fn ignore_namespaces(patterns: Option<Vec<String>>) -> Result<Vec<Regex>, ConfigError> {
    let default = || ["kube-system", "kube-public", "spire-system"].map(str::to_owned).to_vec();
    let patterns = patterns.unwrap_or_else(default);
    patterns.iter().map(|pattern| ignored(pattern)).collect()
}

fn ignored(pattern: &str) -> Result<Regex, ConfigError> {
    let built = regex::RegexBuilder::new(pattern).size_limit(PATTERN_SIZE).build();
    built.map_err(|error| ConfigError::IgnoreNamespaces(error.to_string()))
}

fn receive_bound(bytes: Option<i64>) -> Result<usize, ConfigError> {
    match bytes {
        None | Some(0) => Ok(MAX_CALL_RECV_MSG_SIZE),
        Some(value) => {
            usize::try_from(value).map_err(|_| ConfigError::Number { key: "grpc.maxCallRecvMsgSize", value, least: 0 })
        }
    }
}

fn cache_size(size: Option<i64>) -> usize {
    size.and_then(|size| usize::try_from(size).ok()).filter(|size| *size > 0).unwrap_or(300_000)
}

fn leader_election(file: file::LeaderElection) -> Result<LeaderElection, ConfigError> {
    let time = |key, given: Option<&GoDuration>, default: u64| {
        let given = duration(key, given)?.filter(|time| !time.is_zero());
        Ok::<_, ConfigError>(given.unwrap_or(Duration::from_secs(default)))
    };
    Ok(LeaderElection {
        leader_elect: file.leader_elect.unwrap_or_default(),
        lease_duration: time("leaderElection.leaseDuration", file.lease_duration.as_ref(), 15)?,
        renew_deadline: time("leaderElection.renewDeadline", file.renew_deadline.as_ref(), 10)?,
        retry_period: time("leaderElection.retryPeriod", file.retry_period.as_ref(), 2)?,
        resource_name: file.resource_name.unwrap_or_default(),
        resource_namespace: file.resource_namespace.unwrap_or_default(),
    })
}

fn cache_namespaces(
    one: Option<String>,
    many: Option<BTreeMap<String, Option<file::CacheNamespace>>>,
) -> Result<BTreeMap<String, CacheNamespace>, ConfigError> {
    let many = many.unwrap_or_default();
    match non_empty(one) {
        Some(_) if !many.is_empty() => Err(ConfigError::TwoCaches),
        Some(namespace) => Ok(BTreeMap::from([(namespace, CacheNamespace::default())])),
        None => Ok(many.into_iter().map(|(name, given)| (name, cache_namespace(given.unwrap_or_default()))).collect()),
    }
}

fn cache_namespace(file: file::CacheNamespace) -> CacheNamespace {
    CacheNamespace {
        label_selectors: file.label_selectors.unwrap_or_default(),
        field_selectors: file.field_selectors.unwrap_or_default(),
    }
}

fn address(given: Option<String>, default: Option<&str>) -> Option<String> {
    non_empty(given).or_else(|| default.map(str::to_owned)).filter(|address| address != "0")
}

fn path(given: Option<String>, default: &str) -> String {
    let path = non_empty(given).unwrap_or_else(|| default.to_owned());
    if path.starts_with('/') { path } else { format!("/{path}") }
}

fn webhook_port(given: Option<i64>) -> Result<u16, ConfigError> {
    let value = given.filter(|port| *port != 0).unwrap_or(9443);
    u16::try_from(value).map_err(|_| ConfigError::Number { key: "webhook.port", value, least: 1 })
}

/// A negative duration stands for one without end.
fn duration(key: &'static str, given: Option<&GoDuration>) -> Result<Option<Duration>, ConfigError> {
    let time = match given {
        None => return Ok(None),
        Some(GoDuration::Nanoseconds(nanoseconds)) => {
            u64::try_from(*nanoseconds).map_or(Duration::MAX, Duration::from_nanos)
        }
        Some(GoDuration::Text(text)) => match text.strip_prefix('-') {
            Some(rest) => parse_duration(rest).map(|_| Duration::MAX),
            None => parse_duration(text),
        }
        .map_err(|reason| ConfigError::Duration { key, reason })?,
    };
    Ok(Some(time))
}

fn non_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
