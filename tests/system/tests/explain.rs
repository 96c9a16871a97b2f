//! `steeple explain`, as operators use it.

use steeple_tests_system::explain::Explained;
use steeple_tests_system::pair::Pair;
use steeple_tests_system::rig::{TRUST_DOMAIN, uid};

const AGENT: &str = "one";

#[test]
fn refused_workload_is_explained_by_pid_by_reference_and_on_the_server() {
    let mut pair = Pair::new().unwrap();
    let admin = pair.path("admin/admin.sock").display().to_string();
    pair.agent_lines = format!("admin_socket_path = \"{admin}\" experimental {{ sync_interval = \"1s\" }}");
    let _server = pair.start_server().unwrap();
    let node = format!("spiffe://{TRUST_DOMAIN}/node");
    let token = pair.token(&["-spiffeID", &node]).unwrap();
    let (wanted, own) = (format!("unix:uid:{}", uid() + 1), format!("unix:uid:{}", uid()));
    let web = format!("spiffe://{TRUST_DOMAIN}/web");
    let entry =
        ["-entryID", "web-1", "-parentID", &node, "-spiffeID", &web, "-selector", &wanted, "-x509SVIDTTL", "600"];
    assert_eq!(pair.server("entry create", &entry).unwrap().exit, 0);
    let mut agent = pair.launch_agent(AGENT, Some(&token)).unwrap();
    let mut refusal = String::new();
    agent
        .wait_for(|| {
            refusal = pair.fetch(AGENT).map(|outcome| outcome.stdout + &outcome.stderr)?;
            Ok(refusal.contains("no identity issued"))
        })
        .unwrap();

    // By the PID of a workload that runs.
    let explain = |flags: &[&str]| Explained::ask(&[&["-agentSocket", &admin], flags].concat()).unwrap();
    let own_pid = std::process::id().to_string();
    let by_pid = explain(&["-pid", &own_pid]);
    let fix = format!(
        "steeple server entry update -entryID web-1 -parentID {node} -spiffeID {web} -selector {own} -x509SVIDTTL 600"
    );
    assert_eq!((by_pid.cause(), by_pid.fix()), ("missing_selector", fix.as_str()), "{by_pid}");
    let pretty = Explained::pretty(&["-agentSocket", &admin, "-pid", &own_pid]).unwrap();
    let first = format!(
        "Cause:  entry web-1 ({web}) wants {wanted}, and the workload has {own}\nFix:    {fix}\n\nWorkload   process "
    );
    assert!(pretty.starts_with(&first), "{pretty}");

    // By the reference in the log.
    let log = agent.log();
    let line = log.lines().find(|line| line.contains("No identity issued")).unwrap();
    let reference = line.split("reference=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    let by_reference = explain(&["-reference", reference]);
    assert_eq!(by_reference.cause(), "missing_selector", "{by_reference}");
    assert_eq!(by_reference.text_at("/refusal/message"), "no identity issued");

    // On the server.
    let socket = pair.path("server.sock").display().to_string();
    let id = by_pid.text_at("/agent_id");
    let on_server = Explained::ask(&["-serverSocket", &socket, "-agent", id, "-selector", &own]).unwrap();
    assert_eq!((on_server.cause(), on_server.fix()), ("missing_selector", fix.as_str()), "{on_server}");

    // What it proposed helps, and is told to have helped.
    let words: Vec<&str> = fix.split(' ').skip("steeple server entry update".split(' ').count()).collect();
    assert_eq!(pair.server("entry update", &words).unwrap().exit, 0);
    agent.wait_for(|| Ok(pair.fetch(AGENT)?.exit == 0)).unwrap();
    let mended = explain(&["-reference", reference]);
    assert_eq!((mended.cause(), mended.fix()), ("issued", "call again: nothing is in the way now"), "{mended}");
}

#[test]
fn who_can_not_be_asked_is_named_with_the_way_out() {
    let socket = std::env::temp_dir().join("steeple-explain-nobody.sock").display().to_string();
    let of = |flags: &[&str]| Explained::refusal(&[&["-agentSocket", &socket], flags].concat()).unwrap();
    let nobody = of(&["-pid", "1"]);
    assert!(
        nobody.contains(&format!("nobody answers on {socket}")) && nobody.contains("admin_socket_path"),
        "{nobody}"
    );
    assert!(of(&[]).contains("say whom it is about"));
    assert!(of(&["-pid", "1", "-reference", "x"]).contains("only one of"));
    assert!(of(&["-server", "-pid", "1"]).contains("a server knows no processes"));
}
