//! Families of metrics, compared with what the page on compatibility tells of those that SPIRE 1.15.3 has.

use std::collections::{BTreeMap, BTreeSet};

use steeple_tests_system::dev::free_port;
use steeple_tests_system::forced;
use steeple_tests_system::http::get;
use steeple_tests_system::pair::Pair;
use steeple_tests_system::rig::{TRUST_DOMAIN, uid};

const PAGE: &str = include_str!("../../../docs/reference/spire-compatibility.md");
const AGENT: &str = "one";

/// The families of a side with whether the page says that they are there; nothing of those that another test looks for.
fn told(side: &str) -> BTreeMap<&'static str, Option<bool>> {
    let title = format!("\n## Metrics of the {side}\n");
    let section = PAGE.split(title.as_str()).nth(1).unwrap_or_default().split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | "));
    let is_told = |proof: &str| match proof {
        absent if absent.starts_with("later: ") || absent.starts_with("differs: ") => Some(false),
        here if here.contains("metric_families::") => Some(true),
        _ => None,
    };
    rows.map(|(family, proof)| (family, is_told(proof))).collect()
}

/// What is not as the page tells: families that are missing, of another kind, or there against its word.
fn differences(side: &str, recorded: &str, shown: &str) -> Vec<String> {
    let told = told(side);
    let shown: BTreeSet<&str> = shown.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let recorded: Vec<&str> = recorded.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(recorded.len(), told.len(), "the page has a row for each family of the {side}");
    let wrong = recorded.into_iter().filter_map(|line| {
        let family = line.split(' ').next().unwrap_or_default();
        let is_named = shown.iter().any(|shown| shown.split(' ').next() == Some(family));
        match told.get(family) {
            Some(Some(true)) if !shown.contains(line) => Some(format!("{line} is not shown")),
            Some(Some(false)) if is_named => Some(format!("{line} is shown, the page says it is not there")),
            None => Some(format!("{line} is not on the page")),
            _ => None,
        }
    });
    wrong.collect()
}

#[test]
fn families_are_those_that_the_page_tells() {
    let mut pair = Pair::new().unwrap();
    let (of_server, of_agent) = (free_port().unwrap(), free_port().unwrap());
    let listener = |port: &str| format!("telemetry {{ Prometheus {{ host = \"127.0.0.1\" port = {port} }} }}\n");
    pair.server_blocks = listener(&of_server);
    pair.agent_blocks = listener(&of_agent);
    let _server = pair.start_server().unwrap();
    let node = format!("spiffe://{TRUST_DOMAIN}/node");
    let (id, selector) = (format!("spiffe://{TRUST_DOMAIN}/w"), format!("unix:uid:{}", uid()));
    let entry = ["-entryID", "e", "-parentID", &node, "-spiffeID", &id, "-selector", &selector];
    let token = pair.token(&["-spiffeID", &node]).unwrap();
    let server = |words: &str, flags: &[&str]| {
        let outcome = pair.server(words, flags).unwrap();
        assert_eq!(outcome.exit, 0, "{words}: {outcome:?}");
    };
    server("entry create", &entry);
    let mut agent = pair.start_agent(AGENT, Some(&token)).unwrap();
    for (words, flags) in [("api fetch jwt", &["-audience", "a"][..]), ("healthcheck", &[])] {
        let outcome = pair.workload(AGENT, words, flags).unwrap();
        assert_eq!(outcome.exit, 0, "{words}: {outcome:?}");
    }
    forced::rotate(&pair, &mut agent, AGENT).unwrap();
    server("entry update", &[&entry[..], &["-dns", "w.example"]].concat());
    server("agent list", &[]);
    let agent_id = format!("spiffe://{TRUST_DOMAIN}/spire/agent/join_token/{token}");
    server("agent show", &["-spiffeID", &agent_id]);
    let agent_shown = get(&of_agent, "/").unwrap().1;
    server("agent evict", &["-spiffeID", &agent_id]);
    let server_shown = get(&of_server, "/").unwrap().1;
    let line = |name: &str| server_shown.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    let started = line("spire_server_started{");
    assert!(started.contains(&format!("trust_domain_id=\"{}\"", TRUST_DOMAIN.replace('.', "_"))), "{started}");
    let uptime = line("spire_server_uptime_in_ms{").rsplit(' ').next().unwrap_or_default().parse::<f64>();
    assert!(uptime.as_ref().is_ok_and(|uptime| *uptime > 0.0), "{uptime:?}");
    let wrong = [
        differences("server", include_str!("../../golden/metrics-server.txt"), &server_shown),
        differences("agent", include_str!("../../golden/metrics-agent.txt"), &agent_shown),
    ];
    assert!(wrong.concat().is_empty(), "{}", wrong.concat().join("\n"));
}
