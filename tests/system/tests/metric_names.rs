//! Metrics under other names, with other labels, and without some, as the block `telemetry` has it.

use steeple_tests_system::dev::free_port;
use steeple_tests_system::http::get;
use steeple_tests_system::pair::Pair;
use steeple_tests_system::rig::TRUST_DOMAIN;

const AGENT: &str = "one";

/// The labels of the metric `name`, if it is shown.
fn labels<'a>(shown: &'a str, name: &str) -> Option<&'a str> {
    let line = shown.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('{'))?;
    line.split('}').next()
}

#[test]
fn metrics_are_told_as_the_configuration_has_it() {
    let mut pair = Pair::new().unwrap();
    let (of_server, of_agent) = (free_port().unwrap(), free_port().unwrap());
    let telemetry = |port: &str, keys: &str| {
        format!("telemetry {{\n  Prometheus {{ host = \"127.0.0.1\" port = {port} }}\n{keys}\n}}\n")
    };
    pair.server_blocks = telemetry(
        &of_server,
        "  MetricPrefix = \"my-server\"
  EnableTrustDomainLabel = true
  EnableHostnameLabel = false
  BlockedPrefixes = [\"my-server.rpc\"]
  AllowedPrefixes = [\"my-server.rpc.entry\"]
  BlockedLabels = [\"status\"]",
    );
    pair.agent_blocks = telemetry(&of_agent, "  AllowedLabels = [\"status\"]");
    let _server = pair.start_server().unwrap();
    let token = pair.admit(AGENT).unwrap();
    let _agent = pair.start_agent(AGENT, Some(&token)).unwrap();
    assert_eq!(pair.server("entry show", &[]).unwrap().exit, 0);
    assert_eq!(pair.fetch(AGENT).unwrap().exit, 0);

    let shown = get(&of_server, "/").unwrap().1;
    let trust_domain = format!("trust_domain=\"{}\"", TRUST_DOMAIN.replace('.', "_"));
    assert_eq!(labels(&shown, "my_server_rpc_entry_v1_entry_list_entries"), Some(trust_domain.as_str()), "{shown}");
    assert!(labels(&shown, "my_server_started").is_some_and(|labels| labels.contains(&trust_domain)), "{shown}");
    assert!(!shown.contains("spire_server") && !shown.contains("my_server_rpc_agent"), "{shown}");
    assert!(!shown.contains("host=") && !shown.contains("status="), "{shown}");

    // The keys are about SPIRE's metrics; our own are as the page tells them.
    let shown = get(&of_agent, "/").unwrap().1;
    let spires: Vec<&str> = shown.lines().filter(|line| line.starts_with("spire_agent")).collect();
    let shown = spires.join("\n");
    let fetched = "spire_agent_rpc_workload_api_fetch_x509svid";
    assert!(shown.contains(fetched) && shown.contains("status=\"OK\""), "{shown}");
    assert!(!shown.contains("host=") && !shown.contains("version="), "{shown}");
}
