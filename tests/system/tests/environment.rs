//! Sockets that commands find by the environment, on a running pair.

use std::process::{Command, Stdio};

use anyhow::Result;
use steeple_tests_system::dev::{Serving, free_port};
use steeple_tests_system::rig::{binary, uid};

/// Exit status, standard output and standard error of a command with these variables.
fn run(line: &str, variables: &[(&str, &str)]) -> Result<(Option<i32>, String, String)> {
    let mut command = Command::new(binary()?);
    command.args(line.split(' ')).envs(variables.iter().copied()).stdin(Stdio::null());
    let output = command.output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
}

#[test]
fn commands_find_their_sockets_by_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::start(folder.path(), &free_port().unwrap()).unwrap();
    let (agent, server) = (serving.socket("agent/public/api.sock"), serving.socket("server/private/api.sock"));
    let (public, private) = (serving.socket("%i/public/api.sock"), serving.socket("%i/private/api.sock"));
    let nowhere = serving.socket("nowhere.sock");
    let id = format!("spiffe://example.org/user/{}", uid());

    let fetch = "agent api fetch x509";
    let of_agent = ("SPIRE_AGENT_PUBLIC_SOCKET", agent.as_str());
    let template = ("SPIRE_AGENT_PUBLIC_SOCKET_TEMPLATE", public.as_str());
    for (line, variables) in [
        (fetch.to_owned(), vec![of_agent]),
        (format!("{fetch} -instance agent"), vec![template]),
        (format!("{fetch} -instance agent"), vec![template, ("SPIRE_AGENT_PUBLIC_SOCKET", &nowhere)]),
        (format!("{fetch} -socketPath {agent}"), vec![("SPIRE_AGENT_PUBLIC_SOCKET", &nowhere)]),
    ] {
        let (exit, stdout, stderr) = run(&line, &variables).unwrap();
        assert!(exit == Some(0) && stdout.contains(&id), "{line} {variables:?}: {stdout}{stderr}");
    }
    for line in ["agent healthcheck", "agent api fetch jwt -audience a"] {
        assert_eq!(run(line, &[of_agent]).unwrap().0, Some(0), "{line}");
    }

    let show = format!("server entry show -spiffeID {id}");
    let of_server = ("SPIRE_SERVER_PRIVATE_SOCKET", server.as_str());
    let template_of_server = ("SPIRE_SERVER_PRIVATE_SOCKET_TEMPLATE", private.as_str());
    for (line, variables) in [
        (show.clone(), vec![of_server]),
        (format!("{show} -instance server"), vec![template_of_server]),
        (format!("{show} -instance server"), vec![template_of_server, ("SPIRE_SERVER_PRIVATE_SOCKET", &nowhere)]),
        (format!("{show} -socketPath {server}"), vec![("SPIRE_SERVER_PRIVATE_SOCKET", &nowhere)]),
    ] {
        let (exit, stdout, stderr) = run(&line, &variables).unwrap();
        assert!(exit == Some(0) && stdout.starts_with("Found 1 entry\n"), "{line} {variables:?}: {stdout}{stderr}");
    }

    let (exit, _, stderr) = run(fetch, &[("SPIRE_AGENT_PUBLIC_SOCKET", &nowhere)]).unwrap();
    assert!(exit == Some(1) && stderr.contains(&nowhere), "{stderr}");
    let (exit, _, stderr) =
        run(&format!("{show} -instance x"), &[("SPIRE_SERVER_PRIVATE_SOCKET_TEMPLATE", "/x")]).unwrap();
    let said = "failed to find %i in SPIRE_SERVER_PRIVATE_SOCKET_TEMPLATE";
    assert!(exit == Some(1) && stderr.contains(said), "{stderr}");
}
