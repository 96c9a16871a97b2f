//! `steeple dev`: one command, and a newcomer holds an X.509-SVID and a JWT-SVID.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::process::Signal;
use steeple_tests_system::dev::{Serving, dev, free_port, run};
use steeple_tests_system::rig::uid;

/// What a text says behind `label`.
fn said<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.trim().strip_prefix(label)).map(str::trim)
}

#[test]
fn once_shows_the_identity_and_where_everything_is() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let outcome = dev(&["--once", "--port", &free_port().unwrap(), "--state-dir", state.to_str().unwrap()]).unwrap();
    assert_eq!((outcome.exit, outcome.stderr.as_str()), (0, ""), "{}", outcome.stdout);
    let text = outcome.stdout;
    let id = format!("spiffe://example.org/user/{}", uid());
    assert_eq!(text.matches(&format!("SPIFFE ID    {id}")).count(), 2, "{text}");
    assert_eq!(said(&text, "selectors"), Some(format!("unix:uid:{} (matched)", uid()).as_str()));
    assert_eq!(text.lines().filter(|line| line.trim().starts_with("valid  ") && line.contains(" UTC to ")).count(), 2);
    assert!(said(&text, "chain").unwrap().starts_with("O=SPIRE,C=US (serial "), "{text}");
    assert!(said(&text, "trusted").unwrap().contains("O=SPIFFE,C=US until "), "{text}");
    assert_eq!(said(&text, "token").unwrap().split('.').count(), 3, "{text}");
    let at = |path: &str| state.join(path).display().to_string();
    assert_eq!(said(&text, "Workload API"), Some(format!("unix://{}", at("agent/public/api.sock")).as_str()));
    assert!(said(&text, "server ").unwrap().starts_with(&at("server/private/api.sock")), "{text}");
    assert_eq!(said(&text, "log"), Some(at("steeple.log").as_str()));
    for command in [" agent api fetch x509 ", " agent api fetch jwt -audience dev ", " server entry show "] {
        assert!(text.contains(command), "{command} of {text}");
    }
    assert_eq!(std::fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(!Path::new(&at("agent/public/api.sock")).exists() && !Path::new(&at("server/private/api.sock")).exists());
}

#[test]
fn second_start_keeps_authorities_and_entry_and_the_shown_commands_work() {
    let folder = tempfile::tempdir().unwrap();
    let (port, state) = (free_port().unwrap(), folder.path().to_str().unwrap());
    let first = dev(&["--once", "--port", &port, "--state-dir", state]).unwrap();
    assert_eq!(first.exit, 0, "{}", first.stderr);
    let serving = Serving::start(folder.path(), &port).unwrap();
    assert_eq!(said(&first.stdout, "trusted"), said(&serving.said, "trusted"), "the same authority");
    let commands: Vec<&str> = serving.said.lines().filter(|line| line.contains(" -socketPath ")).collect();
    assert_eq!(commands.len(), 3, "{}", serving.said);
    let mut answers = Vec::new();
    for command in commands {
        let arguments: Vec<&str> = command.split_whitespace().skip(1).collect();
        let outcome = run(&arguments).unwrap();
        assert_eq!(outcome.exit, 0, "{command}: {}", outcome.stderr);
        answers.push(outcome.stdout);
    }
    let id = format!("spiffe://example.org/user/{}", uid());
    assert!(answers[0].contains(&id) && answers[1].contains(&id), "{answers:?}");
    assert_eq!(answers[2].matches(&format!(": {id}\n")).count(), 1, "{}", answers[2]);
    assert!(answers[2].starts_with("Found 2 entries\n"), "the user's and the agent's: {}", answers[2]);
    let agents = run(&["server", "agent", "count", "-socketPath", &serving.socket("server/private/api.sock")]).unwrap();
    assert_eq!(agents.stdout, "1 attested agent\n", "the agent did not join again");
    let socket = serving.socket("agent/public/api.sock");
    assert_eq!(serving.stop(Signal::INT).unwrap(), Some(0));
    assert!(!Path::new(&socket).exists());
}

#[test]
fn agent_without_a_valid_svid_joins_again_and_the_entry_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (port, state) = (free_port().unwrap(), folder.path().to_str().unwrap());
    let first = dev(&["--once", "--port", &port, "--state-dir", state]).unwrap();
    assert_eq!(first.exit, 0, "{}", first.stderr);
    // What the agent remembers when its SVID has expired is of as much use as this.
    std::fs::write(folder.path().join("agent/data/agent-data.json"), "{}").unwrap();
    let serving = Serving::start(folder.path(), &port).unwrap();
    let server = serving.socket("server/private/api.sock");
    let agents = run(&["server", "agent", "count", "-socketPath", &server]).unwrap();
    assert_eq!(agents.stdout, "2 attested agents\n");
    let id = format!("spiffe://example.org/user/{}", uid());
    let entries = run(&["server", "entry", "show", "-spiffeID", &id, "-socketPath", &server]).unwrap();
    assert!(entries.stdout.starts_with("Found 1 entry\n"), "{}", entries.stdout);
    assert_eq!(serving.stop(Signal::TERM).unwrap(), Some(0));
}

#[test]
fn port_and_socket_that_are_taken_are_told_with_their_holder_and_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let me = format!("(pid {})", std::process::id());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let outcome = dev(&["--once", "--port", &port, "--state-dir", state]).unwrap();
    assert_eq!((outcome.exit, outcome.stdout.as_str()), (1, ""));
    assert!(outcome.stderr.starts_with(&format!("Error: port {port} is taken by ")), "{}", outcome.stderr);
    assert!(outcome.stderr.contains(&me) && outcome.stderr.ends_with("choose another with --port N\n"));
    drop(listener);

    std::fs::create_dir_all(folder.path().join("agent/public")).unwrap();
    let socket = folder.path().join("agent/public/api.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    let outcome = dev(&["--once", "--port", &port, "--state-dir", state]).unwrap();
    assert_eq!(outcome.exit, 1);
    assert!(outcome.stderr.starts_with(&format!("Error: socket {} is taken by ", socket.display())));
    assert!(outcome.stderr.contains(&me) && outcome.stderr.contains("--state-dir DIR"), "{}", outcome.stderr);
}

#[test]
fn second_run_beside_the_first_is_told_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port().unwrap();
    let serving = Serving::start(folder.path(), &port).unwrap();
    let state = folder.path().to_str().unwrap();
    let outcome = dev(&["--once", "--port", &free_port().unwrap(), "--state-dir", state]).unwrap();
    let holder = format!("server/private/api.sock is taken by steeple (pid {})", serving.pid());
    assert!(outcome.exit == 1 && outcome.stderr.contains(&holder), "{}", outcome.stderr);
}

#[test]
fn folder_of_another_trust_domain_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (port, state) = (free_port().unwrap(), folder.path().to_str().unwrap());
    let outcome = dev(&["--once", "--port", &port, "--state-dir", state, "--trust-domain", "one.example"]).unwrap();
    assert!(outcome.exit == 0 && outcome.stdout.contains("spiffe://one.example/user/"), "{}", outcome.stderr);
    let outcome = dev(&["--once", "--port", &port, "--state-dir", state]).unwrap();
    let told = format!(
        "Error: {state} belongs to trust domain one.example, not example.org: choose another folder with \
         --state-dir DIR, or go on with --trust-domain one.example\n"
    );
    assert_eq!((outcome.exit, outcome.stderr), (1, told));
}

#[test]
fn options_that_are_wrong_are_told() {
    for (arguments, told) in [
        (
            &["--nosuch"][..],
            "unknown option --nosuch; there are --once, --state-dir DIR, --trust-domain NAME, --port N",
        ),
        (&["--state-dir"], "--state-dir needs a value"),
        (&["--port", "x"], "--port \"x\" is not a port number: invalid digit found in string"),
        (&["--port=99999"], "--port \"99999\" is not a port number: number too large to fit in target type"),
        (&["--once=no"], "unknown option --once; there are --once, --state-dir DIR, --trust-domain NAME, --port N"),
    ] {
        let outcome = dev(arguments).unwrap();
        assert_eq!((outcome.exit, outcome.stderr), (1, format!("Error: {told}\n")), "{arguments:?}");
    }
    let outcome = dev(&["--trust-domain", "no good"]).unwrap();
    assert!(
        outcome.exit == 1 && outcome.stderr.starts_with("Error: --trust-domain \"no good\": "),
        "{}",
        outcome.stderr
    );
}
