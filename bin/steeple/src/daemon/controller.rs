//! `controller`: the Kubernetes controller, with spire-controller-manager's configuration file.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, bail};
use steeple_clock::Clock;
use steeple_config::{LogSettings, LookUp, expand_env};
use steeple_controller::{
    Controller, DEFAULT_LEASE, ElectionSettings, HealthSettings, Kind, Ownership, Planned, Registered, Settings,
    WebhookSettings, Within,
};
use steeple_k8s::ApiServer;
use steeple_registration::config::CacheNamespace;
use steeple_registration::{Cluster, ControllerManagerConfig};
use steeple_runtime::{Shutdown, Signals};
use steeple_telemetry::Metrics;
use tracing::{info, warn};

use super::{crashed, host, notify_ready, signals, start_log};
use crate::commands::{Env, FlagSet, HELP};

/// What was given on the command line.
#[derive(Default)]
struct Given {
    config: String,
    expand_env: bool,
    dry_run: bool,
    kubeconfig: String,
    socket: String,
}

/// `controller`.
pub(crate) fn controller(env: &mut Env, arguments: &[String]) -> u8 {
    let given = match read(env, arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let config = match load(env, &given) {
        Ok(config) => config,
        Err(error) => {
            env.complain(&format!("{error:#}\n"));
            return 1;
        }
    };
    match run(env, &config, &given) {
        Ok(()) => 0,
        Err(error) => crashed(env, "Controller crashed", &error),
    }
}

/// Reads the flags; `Err` is the exit status, the rest having been told.
fn read(env: &mut Env, arguments: &[String]) -> Result<Given, u8> {
    let mut given = Given::default();
    let mut set = FlagSet::new();
    set.text(&mut given.config, &["config"], "Configuration file (kind ControllerManagerConfig).");
    set.boolean(
        &mut given.expand_env,
        &["expand-env"],
        "Puts environment variables into the text of the configuration.",
    );
    set.boolean(&mut given.dry_run, &["dry-run"], "Tells what would change on the server, changes nothing, and ends.");
    set.text(&mut given.kubeconfig, &["kubeconfig"], "Kubeconfig file, outside of a pod.");
    set.text(&mut given.socket, &["spire-api-socket"], "The server's private socket, if the configuration names none.");
    if arguments == [HELP] {
        env.complain(&format!("Flags:\n{}", set.usage()));
        return Err(0);
    }
    if let Err(error) = set.parse(arguments).map(|_| ()) {
        env.complain(&format!("{error}\nFlags of this command:\n{}", set.usage()));
        return Err(1);
    }
    drop(set);
    Ok(given)
}

fn load(env: &Env, given: &Given) -> anyhow::Result<ControllerManagerConfig> {
    if given.config.is_empty() {
        bail!("no configuration: name a file of kind ControllerManagerConfig by -config");
    }
    let text =
        std::fs::read_to_string(&given.config).with_context(|| format!("could not read file at {}", given.config))?;
    let look_up = |name: &str| env.vars.get(name).cloned();
    let look_up: &LookUp<'_> = &look_up;
    let text = if given.expand_env { expand_env(&text, look_up) } else { text };
    let config = ControllerManagerConfig::parse(&text).context("unable to load the config file")?;
    if config.static_manifest_path.is_some() {
        bail!("staticManifestPath is not available yet: entries come from a Kubernetes API server");
    }
    Ok(config)
}

fn run(env: &mut Env, config: &ControllerManagerConfig, given: &Given) -> anyhow::Result<()> {
    let clock = Clock::system();
    let format = if config.log_encoding == "json" { "json" } else { "text" };
    let settings =
        LogSettings { level: config.log_level.clone(), format: format.to_owned(), file: None, source_location: false };
    let log = start_log(&settings, &clock)?;
    warn_of(config);
    let settings = settings_of(config, given, env)?;
    let counted = match settings.metrics {
        Some(_) => Metrics::new("steeple_controller", vec![("host", host())]),
        None => Metrics::off(),
    };
    let api_server = ApiServer::named(&given.kubeconfig);
    let controller = Controller::new(settings, api_server, clock.clone(), counted);
    let rules = rules_of(config);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if given.dry_run {
        let planned = runtime.block_on(controller.plan(Registered::new(rules)))?;
        env.stdout.write_all(told(&planned).as_bytes())?;
        return Ok(());
    }
    let variables = env.vars.clone();
    runtime.block_on(async {
        let shutdown = Shutdown::new();
        let signals = Signals::listen()?;
        notify_ready(&variables);
        tokio::select! {
            ended = controller.run(move || Registered::new(rules.clone()), shutdown.clone()) => ended?,
            () = signals::follow(signals, log.clone(), shutdown.clone()) => {}
        }
        info!("Controller stopped gracefully");
        Ok(())
    })
}

/// Says what of a configuration has no effect here.
fn warn_of(config: &ControllerManagerConfig) {
    for key in &config.unknown_keys {
        warn!(key, "Unknown key in the configuration");
    }
    for key in &config.idle_keys {
        warn!(key, "This key of the configuration has no effect");
    }
}

fn settings_of(config: &ControllerManagerConfig, given: &Given, env: &Env) -> anyhow::Result<Settings> {
    let socket = config
        .spire_server_socket_path
        .clone()
        .or_else(|| Some(PathBuf::from(&given.socket)).filter(|socket| !socket.as_os_str().is_empty()));
    let trust_domain = config.trust_domain.name();
    let class = config.class.name.clone();
    let (prefix, cleanup) = (config.owned_ids.prefix(), config.owned_ids.cleanup());
    let mut kinds = BTreeSet::new();
    if config.reconcile.cluster_spiffe_ids {
        kinds.extend([Kind::Pod, Kind::Namespace, Kind::Node, Kind::EndpointSlice]);
        kinds.extend([Kind::ClusterSpiffeId, Kind::WorkloadIdentity]);
    }
    kinds.extend(config.reconcile.cluster_static_entries.then_some(Kind::ClusterStaticEntry));
    kinds.extend(config.reconcile.cluster_federated_trust_domains.then_some(Kind::ClusterFederatedTrustDomain));
    let health = config.health_probe_bind_address.as_deref().map(address).transpose()?;
    Ok(Settings {
        server_socket: socket.unwrap_or_else(|| PathBuf::from(ControllerManagerConfig::DEFAULT_SOCKET)),
        max_answer: config.max_call_recv_msg_size,
        ownership: Ownership::new(prefix, cleanup, trust_domain, &config.cluster_name, &class),
        class,
        kinds,
        namespaces: config.cache_namespaces.iter().map(|(name, only)| (name.clone(), within(only))).collect(),
        gc_interval: config.gc_interval,
        election: election(config)?,
        identity: identity(env),
        health: health.map(|address| HealthSettings {
            address,
            ready_path: config.readiness_endpoint_name.clone(),
            live_path: config.liveness_endpoint_name.clone(),
        }),
        metrics: config.metrics_bind_address.as_deref().map(address).transpose()?,
        webhook: webhook(config, env)?,
        grace: config.graceful_shutdown,
    })
}

fn rules_of(config: &ControllerManagerConfig) -> steeple_registration::Settings {
    let resolver = || std::fs::read_to_string("/etc/resolv.conf").ok();
    let domain = config.cluster_domain.clone().or_else(|| cluster_domain(&resolver()?)).unwrap_or_else(|| {
        warn!("The cluster's domain is not known: set clusterDomain, or DNS names lack it");
        String::new()
    });
    let parent_id = config.parent_id_template.clone();
    steeple_registration::Settings {
        cluster: Cluster::new(config.trust_domain.clone(), &config.cluster_name, &domain, parent_id),
        ignore_namespaces: config.ignore_namespaces.clone(),
        class: config.class.clone(),
    }
}

/// The domain of the cluster, from what kubelets write into the resolver's file of a pod: `search <ns>.svc.<domain> svc.<domain> …`.
fn cluster_domain(resolver: &str) -> Option<String> {
    let searched =
        resolver.lines().filter_map(|line| line.trim().strip_prefix("search ")).flat_map(str::split_whitespace);
    let domains = searched.filter_map(|name| name.strip_prefix("svc."));
    domains.map(|domain| domain.trim_end_matches('.').to_owned()).find(|domain| !domain.is_empty())
}

fn election(config: &ControllerManagerConfig) -> anyhow::Result<Option<ElectionSettings>> {
    let election = &config.leader_election;
    if !election.leader_elect {
        return Ok(None);
    }
    if election.renew_deadline >= election.lease_duration || election.retry_period >= election.renew_deadline {
        bail!("leaderElection: retryPeriod must be less than renewDeadline, and that less than leaseDuration");
    }
    let name = Some(election.resource_name.clone()).filter(|name| !name.is_empty());
    Ok(Some(ElectionSettings {
        namespace: election.resource_namespace.clone(),
        name: name.unwrap_or_else(|| DEFAULT_LEASE.to_owned()),
        lease_duration: election.lease_duration,
        renew_deadline: election.renew_deadline,
        retry_period: election.retry_period,
    }))
}

fn within(only: &CacheNamespace) -> Within {
    Within { labels: only.label_selectors.clone(), fields: only.field_selectors.clone() }
}

/// The webhook, unless the environment says that there is none.
fn webhook(config: &ControllerManagerConfig, env: &Env) -> anyhow::Result<Option<WebhookSettings>> {
    if env.vars.get("ENABLE_WEBHOOKS").is_some_and(|enabled| enabled == "false") {
        return Ok(None);
    }
    Ok(Some(WebhookSettings {
        address: address(&format!("{}:{}", config.webhook_host, config.webhook_port))?,
        configuration: config.validating_webhook_configuration_name.clone(),
        trust_domain: config.trust_domain.name().to_owned(),
    }))
}

/// The candidate's name: that of the pod, and something that a restart of its container changes.
fn identity(env: &Env) -> String {
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let pod = env.vars.get("POD_NAME").map_or(hostname.trim(), String::as_str);
    format!("{pod}_{}", uuid::Uuid::new_v4())
}

/// An address as Go's listeners take it: without a host it means all.
fn address(text: &str) -> anyhow::Result<SocketAddr> {
    let full = if text.starts_with(':') { format!("[::]{text}") } else { text.to_owned() };
    let full = full.replace("localhost:", "127.0.0.1:");
    full.parse().with_context(|| format!("{text:?} is no address of a listener, such as 127.0.0.1:8082"))
}

/// One line for each change, and their number.
fn told(planned: &[Planned]) -> String {
    let line = |planned: &Planned| {
        let id = planned.entry.spiffe_id.as_ref();
        let id = id.map(|id| format!(" spiffe://{}{}", id.trust_domain, id.path)).unwrap_or_default();
        let owner = planned.owner.as_ref().map(|(kind, namespace, name)| match &**namespace {
            "" => format!(" for {} {name}", kind.name()),
            namespace => format!(" for {} {namespace}/{name}", kind.name()),
        });
        format!("{} {}{id}{}\n", planned.what, planned.entry.id, owner.unwrap_or_default())
    };
    let lines: String = planned.iter().map(line).collect();
    format!("{lines}{} changes\n", planned.len())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::commands::testing::env;

    const MINIMAL: &str = "
apiVersion: spire.spiffe.io/v1alpha1
kind: ControllerManagerConfig
clusterName: demo-cluster
trustDomain: example.org
";

    fn settings(more: &str) -> anyhow::Result<Settings> {
        let config = ControllerManagerConfig::parse(&format!("{MINIMAL}{more}"))?;
        settings_of(&config, &Given::default(), &env().0)
    }

    #[test]
    fn configuration_file_is_taken_as_it_is() {
        let least = settings("").unwrap();
        assert_eq!(least.server_socket, PathBuf::from("/spire-server/api.sock"));
        assert_eq!(least.kinds, BTreeSet::from(Kind::ALL));
        assert_eq!((least.gc_interval.as_secs(), least.election, least.health.is_none()), (10, None, true));
        assert_eq!(least.metrics.unwrap().to_string(), "[::]:8080");
        let full = settings(
            "spireServerSocketPath: /tmp/s.sock
entryIDPrefix: scm
className: c
gcInterval: 60000000000
metrics: {bindAddress: 0.0.0.0:8082}
health: {healthProbeBindAddress: ':8083', readinessEndpointName: ready}
leaderElection: {leaderElect: true, resourceName: lease, resourceNamespace: spire}
cacheNamespaces: {shop: {labelSelectors: {app: web}}}
reconcile: {clusterStaticEntries: true}
",
        )
        .unwrap();
        assert_eq!(full.server_socket, PathBuf::from("/tmp/s.sock"));
        assert_eq!((full.ownership.prefix(), full.class.as_str(), full.gc_interval.as_secs()), ("scm.", "c", 60));
        assert_eq!(full.kinds, BTreeSet::from([Kind::ClusterStaticEntry]));
        let labels = BTreeMap::from([("app".to_owned(), "web".to_owned())]);
        assert_eq!(full.namespaces, BTreeMap::from([("shop".to_owned(), Within { labels, ..Within::default() })]));
        let health = full.health.unwrap();
        assert_eq!((health.address.to_string().as_str(), health.ready_path.as_str()), ("[::]:8083", "/ready"));
        let election = full.election.unwrap();
        assert_eq!((election.name.as_str(), election.namespace.as_str()), ("lease", "spire"));
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (more, named) in [
            ("metrics: {bindAddress: nonsense}", "nonsense"),
            ("leaderElection: {leaderElect: true, leaseDuration: 5s}", "leaseDuration"),
        ] {
            let refused = format!("{:#}", settings(more).unwrap_err());
            assert!(refused.contains(named), "{refused}");
        }
    }

    #[test]
    fn clusters_domain_is_found_in_the_resolvers_file() {
        let file = "nameserver 10.96.0.10\nsearch steeple.svc.cluster.local svc.cluster.local cluster.local\n";
        assert_eq!(cluster_domain(file).as_deref(), Some("cluster.local"));
        assert_eq!(cluster_domain("nameserver 1.1.1.1\nsearch example.org\n"), None);
    }

    #[test]
    fn dry_run_tells_one_line_for_each_change() {
        let entry = steeple_proto::spire::api::types::Entry { id: "own.1".to_owned(), ..Default::default() };
        let owner = Some((Kind::WorkloadIdentity, "shop".into(), "web".into()));
        let planned = Planned { what: "delete".to_owned(), entry, owner };
        assert_eq!(told(&[planned]), "delete own.1 for WorkloadIdentity shop/web\n1 changes\n");
    }
}
