//! The controller's configuration file.

use std::time::Duration;

use steeple_config::expand_env;
use steeple_registration::config::{CacheNamespace, cluster_domain_of_cname};
use steeple_registration::{Class, ControllerManagerConfig, Ownership};

const EVERY_KEY: &str = r#"
apiVersion: spire.spiffe.io/v1alpha1
kind: ControllerManagerConfig
metadata:
  name: controller
clusterName: demo-cluster
clusterDomain: cluster.local
trustDomain: $TD
ignoreNamespaces: ["^kube-", local]
validatingWebhookConfigurationName: hook
gcInterval: 20s
spireServerSocketPath: /tmp/api.sock
logLevel: debug
logEncoding: json
grpc:
  maxCallRecvMsgSize: 1000
className: ours
watchClassless: true
parentIDTemplate: "spiffe://{{ .TrustDomain }}/{{ .NodeMeta.Name }}"
reconcile:
  clusterSPIFFEIDs: true
  clusterFederatedTrustDomains: false
  clusterStaticEntries: true
entryIDPrefix: ours
entryIDPrefixCleanup: ""
expandEnvStaticManifests: true
enableEntryRenderCache: true
entryRenderCacheSize: 5
syncPeriod: 1h
leaderElection:
  leaderElect: true
  leaseDuration: 30s
  renewDeadline: 20s
  retryPeriod: 4s
  resourceLock: leases
  resourceName: lock
  resourceNamespace: steeple
cacheNamespaces:
  shop:
    labelSelectors: {a: b}
gracefulShutDown: -1s
controller:
  groupKindConcurrency: {Pod: 2}
  cacheSyncTimeout: 60000000000
  recoverPanic: true
metrics:
  bindAddress: "0"
health:
  healthProbeBindAddress: 0.0.0.0:8083
  readinessEndpointName: ready
  livenessEndpointName: /live
webhook:
  port: 9000
  host: 127.0.0.1
  certDir: /tmp/certs
"#;

#[test]
fn every_key_is_read() {
    let text = expand_env(EVERY_KEY, |name| (name == "TD").then(|| "example.org".to_owned()));
    let config = ControllerManagerConfig::parse(&text).unwrap();
    assert_eq!(config.trust_domain.name(), "example.org");
    assert_eq!(config.cluster_domain.as_deref(), Some("cluster.local"));
    assert!(config.ignore_namespaces.iter().any(|pattern| pattern.is_match("kube-system")));
    assert_eq!(config.validating_webhook_configuration_name, "hook");
    assert_eq!(config.gc_interval, Duration::from_secs(20));
    assert_eq!(config.max_call_recv_msg_size, 1000);
    assert_eq!(config.class, Class { name: "ours".to_owned(), watch_classless: true });
    assert!(config.parent_id_template.is_some());
    assert!(config.reconcile.cluster_spiffe_ids && !config.reconcile.cluster_federated_trust_domains);
    assert_eq!(config.owned_ids.judge("ours.1"), Ownership::Own);
    assert_eq!(config.owned_ids.judge("1"), Ownership::CleanUp);
    assert_eq!(config.sync_period, Some(Duration::from_hours(1)));
    assert_eq!(config.leader_election.lease_duration, Duration::from_secs(30));
    assert_eq!(config.leader_election.resource_name, "lock");
    let labels = [("a".to_owned(), "b".to_owned())].into();
    assert_eq!(
        config.cache_namespaces.get("shop"),
        Some(&CacheNamespace { label_selectors: labels, field_selectors: [].into() })
    );
    assert_eq!(config.graceful_shutdown, Duration::MAX);
    assert_eq!(config.cache_sync_timeout, Duration::from_mins(1));
    assert_eq!(config.metrics_bind_address, None);
    assert_eq!(config.health_probe_bind_address.as_deref(), Some("0.0.0.0:8083"));
    assert_eq!((config.readiness_endpoint_name.as_str(), config.liveness_endpoint_name.as_str()), ("/ready", "/live"));
    assert_eq!((config.webhook_port, config.webhook_host.as_str()), (9000, "127.0.0.1"));
    assert!(config.unknown_keys.is_empty(), "{:?}", config.unknown_keys);
    assert!(config.idle_keys.contains(&"webhook.certDir") && config.idle_keys.contains(&"entryRenderCacheSize"));
}

#[test]
fn what_is_absent_has_the_originals_defaults() {
    let config = ControllerManagerConfig::parse("clusterName: c\ntrustDomain: example.org\n").unwrap();
    assert_eq!(config.gc_interval, Duration::from_secs(10));
    let ignored = |name| config.ignore_namespaces.iter().any(|pattern| pattern.is_match(name));
    assert!(ignored("kube-system") && ignored("kube-public") && ignored("spire-system") && !ignored("default"));
    assert_eq!(config.validating_webhook_configuration_name, "spire-controller-manager-webhook");
    assert!(config.reconcile.cluster_spiffe_ids && config.reconcile.cluster_federated_trust_domains);
    assert_eq!(config.owned_ids.prefix(), "");
    assert_eq!((config.log_level.as_str(), config.log_encoding.as_str()), ("info", "console"));
    assert_eq!(config.spire_server_socket_path, None);
    assert_eq!(config.cluster_domain, None);
    assert_eq!(cluster_domain_of_cname("kubernetes.default.svc.cluster.local."), Some("cluster.local"));
    assert_eq!(cluster_domain_of_cname("kubernetes.default.svc."), None);
}

#[test]
fn unknown_keys_are_named_and_passed_over_as_the_original_passes_over_them() {
    let text = "clusterName: c\ntrustDomain: example.org\nclustername: d\nhealth:\n  bindAddress: x\n";
    let config = ControllerManagerConfig::parse(text).unwrap();
    assert_eq!(config.unknown_keys, ["clustername", "health.bindAddress"]);
}

#[test]
fn what_cannot_be_is_refused() {
    for (text, reason) in [
        ("clusterName: c", "trust domain is required configuration"),
        ("trustDomain: example.org", "cluster name is required configuration"),
        ("trustDomain: Example\nclusterName: c", "invalid trust domain name"),
        ("kind: Other\ntrustDomain: a\nclusterName: c", "kind \"Other\""),
        ("trustDomain: a\nclusterName: [c]", "could not decode file"),
        ("trustDomain: a\nclusterName: c\nignoreNamespaces: ['(']", "unable to compile ignore namespaces regex"),
        ("trustDomain: a\nclusterName: c\nparentIDTemplate: '{{'", "unable to parse parent ID template"),
        ("trustDomain: a\nclusterName: c\nparentIDTemplate: '{{ upper .ClusterName }}'", "\"upper\" not defined"),
        (
            "trustDomain: a\nclusterName: c\nentryIDPrefix: x\nentryIDPrefixCleanup: x.",
            "if entryIDPrefixCleanup is specified, it can not be the same value as entryIDPrefix",
        ),
        (
            "trustDomain: a\nclusterName: c\nstaticManifestPath: /x\nleaderElection: {leaderElect: true}",
            "the Leader election is not possible with static manifests",
        ),
        (
            "trustDomain: a\nclusterName: c\nstaticManifestPath: /x\nreconcile: {clusterSPIFFEIDs: true}",
            "ClusterSPIFFEID reconciliation is not possible with static manifests",
        ),
        (
            "trustDomain: a\nclusterName: c\ncacheNamespace: x\ncacheNamespaces: {y: {}}",
            "cacheNamespace or cacheNamespaces can be used, but not both",
        ),
        ("trustDomain: a\nclusterName: c\ngcInterval: soon", "gcInterval"),
        ("trustDomain: a\nclusterName: c\nvalidatingWebhookConfigurationName: ''", "webhook configuration name"),
    ] {
        let error = ControllerManagerConfig::parse(text).unwrap_err().to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn nanoseconds_are_taken_as_helm_renders_them() {
    let read = |interval: &str| {
        ControllerManagerConfig::parse(&format!("trustDomain: a\nclusterName: c\ngcInterval: {interval}"))
    };
    for interval in ["1e+10", "10000000000", "10s"] {
        assert_eq!(read(interval).unwrap().gc_interval, Duration::from_secs(10), "{interval}");
    }
    for interval in ["0.5", "1e+300", "true"] {
        assert!(read(interval).is_err(), "{interval}");
    }
}
