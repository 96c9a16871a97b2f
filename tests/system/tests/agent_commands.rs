//! Commands of the agent that the records of SPIRE's commands don't have, or not with what they do.

use std::collections::BTreeSet;

use steeple_tests_system::pair::Pair;
use steeple_tests_system::rig::{TRUST_DOMAIN, uid};

const AGENT: &str = "one";

#[test]
fn operator_sees_the_agent_and_steers_its_log() {
    let mut pair = Pair::new().unwrap();
    let admin = pair.path("admin/admin.sock").display().to_string();
    pair.agent_lines = format!("admin_socket_path = \"{admin}\"");
    let _server = pair.start_server().unwrap();
    let token = pair.admit(AGENT).unwrap();
    let _agent = pair.start_agent(AGENT, Some(&token)).unwrap();
    let ask = |words: &str, flags: &[&str]| {
        let outcome = pair.workload(AGENT, words, &[&["-socketPath", &admin], flags].concat()).unwrap();
        assert_eq!(outcome.exit, 0, "{words}: {outcome:?}");
        outcome.stdout
    };
    let levels = |now: &str| format!("Logger Level : {now}\nLaunch Level : debug\n\n");
    assert_eq!(ask("logger get", &[]), levels("debug"));
    assert_eq!(ask("logger set", &["-level", "error"]), levels("error"));
    assert_eq!(ask("logger get", &[]), levels("error"));
    assert_eq!(ask("logger reset", &[]), levels("debug"));
    let shown = ask("debug getinfo", &[]);
    assert!(
        shown.starts_with("Agent Debug Info:\n") && shown.contains("Cached JWT SVIDs:                0\n"),
        "{shown}"
    );
    let told: serde_json::Value = serde_json::from_str(&ask("debug getinfo", &["-output", "json"])).unwrap();
    let id = format!("/spire/agent/join_token/{token}");
    assert_eq!(told["svid_chain"][0]["id"]["path"], id.as_str(), "{told}");
}

#[test]
fn watch_prints_the_svid_each_time_that_it_changes() {
    let pair = Pair::new().unwrap();
    let _server = pair.start_server().unwrap();
    let node = format!("spiffe://{TRUST_DOMAIN}/node");
    let (id, selector) = (format!("spiffe://{TRUST_DOMAIN}/w"), format!("unix:uid:{}", uid()));
    let entry = ["-entryID", "e", "-parentID", &node, "-spiffeID", &id, "-selector", &selector];
    let token = pair.token(&["-spiffeID", &node]).unwrap();
    assert_eq!(pair.server("entry create", &entry).unwrap().exit, 0);
    let _agent = pair.start_agent(AGENT, Some(&token)).unwrap();
    let socket = pair.path("one-api/api.sock").display().to_string();
    let mut watch = pair.start_other("agent", &["api", "watch", "-socketPath", &socket].map(str::to_owned)).unwrap();
    let log = watch.log_path();
    let ends = || {
        let printed = std::fs::read_to_string(&log).unwrap_or_default();
        let ends = printed.lines().filter(|line| line.starts_with("SVID Valid Until:"));
        ends.map(str::to_owned).collect::<BTreeSet<_>>().len()
    };
    watch.wait_for(|| Ok(ends() == 1)).unwrap();
    assert_eq!(pair.server("entry update", &[&entry[..], &["-x509SVIDTTL", "7200"]].concat()).unwrap().exit, 0);
    watch.wait_for(|| Ok(ends() == 2)).unwrap();
    assert!(watch.log().contains(&format!("SPIFFE ID:\t\t{id}\n")), "{}", watch.log());
}
